"""Look of the app: a quiet theme for light and dark, from system fonts and colours only (nothing is fetched)."""

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors, sizes

STYLESHEET = Path(__file__).parent / "style.css"
# One function each, run when the page is there.
PAGE_SCRIPT = Path(__file__).parent / "browser" / "accessibility.js"
LANGUAGE_SCRIPT = Path(__file__).parent / "browser" / "language.js"

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

# The viewer's accent too. Against their backgrounds: 6.1:1 on white, 8.6:1 on the dark card.
ACCENT = "#0b6b74"
ACCENT_HOVER = "#084f56"
ACCENT_DARK = "#5cc8d0"
ACCENT_DARK_HOVER = "#84d8de"


def make_theme() -> gr.themes.Base:
    """The theme; text and controls keep a contrast of 4.5:1 at least in both modes."""
    theme = gr.themes.Base(
        primary_hue=colors.cyan,
        secondary_hue=colors.cyan,
        neutral_hue=colors.slate,
        radius_size=sizes.radius_md,
        font=SANS,
        font_mono=MONO,
    )
    return theme.set(**_surfaces(), **_texts(), **_buttons(), **_controls())


def _surfaces() -> dict[str, str]:
    return {
        "body_background_fill": "#f4f6f8",
        "body_background_fill_dark": "#0f1519",
        "background_fill_primary": "#ffffff",
        "background_fill_primary_dark": "#171f25",
        "background_fill_secondary": "#f4f6f8",
        "background_fill_secondary_dark": "#1d272e",
        "block_background_fill": "#ffffff",
        "block_background_fill_dark": "#171f25",
        "block_border_color": "#d9dfe5",
        "block_border_color_dark": "#2b3841",
        "border_color_primary": "#d9dfe5",
        "border_color_primary_dark": "#2b3841",
        "block_shadow": "none",
        "block_radius": "10px",
        "layout_gap": "14px",
    }


def _texts() -> dict[str, str]:
    return {
        "body_text_color": "#17212b",
        "body_text_color_dark": "#e6ecf0",
        "body_text_color_subdued": "#52606d",  # 6.1:1 on the page, 6.6:1 on white
        "body_text_color_subdued_dark": "#a5b3be",
        "block_info_text_color": "#52606d",
        "block_info_text_color_dark": "#a5b3be",
        "block_title_text_color": "#2b3946",
        "block_title_text_color_dark": "#d3dce3",
        "block_title_text_weight": "600",
        "block_label_text_color": "#2b3946",
        "block_label_text_color_dark": "#d3dce3",
        "link_text_color": ACCENT,
        "link_text_color_dark": ACCENT_DARK,
        "link_text_color_visited": ACCENT,
        "link_text_color_visited_dark": ACCENT_DARK,
        "link_text_color_hover": ACCENT_HOVER,
        "link_text_color_hover_dark": ACCENT_DARK_HOVER,
        "color_accent": ACCENT,
    }


def _buttons() -> dict[str, str]:
    return {
        "button_primary_background_fill": ACCENT,
        "button_primary_background_fill_hover": ACCENT_HOVER,
        "button_primary_text_color": "#ffffff",
        "button_primary_background_fill_dark": ACCENT_DARK,
        "button_primary_background_fill_hover_dark": ACCENT_DARK_HOVER,
        "button_primary_text_color_dark": "#06252a",
        "button_primary_text_color_hover_dark": "#06252a",
        "button_secondary_background_fill": "#ffffff",
        "button_secondary_background_fill_hover": "#eef2f5",
        "button_secondary_border_color": "#8593a0",
        "button_secondary_text_color": "#17212b",
        "button_secondary_background_fill_dark": "#222d35",
        "button_secondary_background_fill_hover_dark": "#2b3841",
        "button_secondary_border_color_dark": "#74838f",
        "button_secondary_text_color_dark": "#e6ecf0",
        "button_border_width": "1px",
    }


def _controls() -> dict[str, str]:
    return {
        "input_background_fill": "#ffffff",
        "input_background_fill_dark": "#10171c",
        "input_border_width": "1px",
        "input_border_color": "#8593a0",  # 3:1 against the card: the edge of a control can be seen
        "input_border_color_dark": "#74838f",  # 4.4:1
        "input_border_color_focus": ACCENT,
        "input_border_color_focus_dark": ACCENT_DARK,
        "input_placeholder_color": "#5d6b78",
        "input_placeholder_color_dark": "#98a7b3",
        "slider_color": ACCENT,
        "slider_color_dark": ACCENT_DARK,
        "checkbox_background_color_selected": ACCENT,
        "checkbox_background_color_selected_dark": "#0e7c86",
        "checkbox_border_color": "#6b7986",
        "checkbox_border_color_dark": "#8796a2",
        "checkbox_label_background_fill": "transparent",
        "checkbox_label_background_fill_dark": "transparent",
        "checkbox_label_border_width": "0px",
        "loader_color": ACCENT,
        "loader_color_dark": ACCENT_DARK,
        "accordion_text_color": "#2b3946",
        "accordion_text_color_dark": "#d3dce3",
    }
