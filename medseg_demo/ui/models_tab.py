"""The Models tab: every checkpoint with its card, and why the unusable ones cannot be used."""

import gradio as gr

from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui import checkpoint_view, markup, texts
from medseg_demo.ui.controls import Choice


class ModelsTab:
    """The Models tab. Make it inside the open tab; then ``connect`` it to the page.

    Args:
        engine: Knows the checkpoints folder.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        gr.HTML(markup.hint(texts.MODELS_INTRO), apply_default_css=False)
        self._overview = gr.HTML(apply_default_css=False)
        self._unusable = gr.HTML(apply_default_css=False)
        self._choice = Choice([], label=texts.CARD_OF, interactive=True, elem_id="ms-model-choice")
        self._card = gr.HTML(apply_default_css=False)
        self._weaknesses = gr.Markdown(elem_classes="ms-notes")
        with gr.Accordion(texts.NOTES, open=False):
            self._notes = gr.Markdown(elem_classes="ms-notes")

    def connect(self, page: gr.Blocks) -> None:
        """Fill the tab whenever the page is loaded, and show the card that is chosen."""
        card = [self._card, self._weaknesses, self._notes]
        everything = [self._overview, self._unusable, self._choice, *card]
        page.load(self.fill, None, everything, show_progress="hidden", queue=False, api_visibility="private")
        self._choice.input(self.show, self._choice, card, queue=False, api_visibility="private")

    def fill(self) -> tuple[object, ...]:
        """The tab's contents, from the checkpoints folder as it is now."""
        usable, entries = self._engine.usable(), self._engine.entries()
        name = usable[0].name if usable else None
        choice = gr.update(choices=checkpoint_view.choices(usable), value=name, visible=bool(usable))
        table = checkpoint_view.overview(usable) or markup.panel("warning", texts.NO_CHECKPOINT_TITLE)
        return table, checkpoint_view.unusable(entries), choice, *self.show(name)

    def show(self, name: str | None) -> tuple[str, str, str]:
        """The card, the weaknesses and all notes of one checkpoint."""
        entry = self._engine.find(name)
        if entry is None:
            return "", "", ""
        return checkpoint_view.entry_card(entry), checkpoint_view.weaknesses(entry), checkpoint_view.notes(entry)
