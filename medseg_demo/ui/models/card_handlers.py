"""The list, the card of one checkpoint, and what can be done with it: open it elsewhere, measure it, remove it.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

from collections.abc import Iterator, Sequence

import gradio as gr

from medseg_demo.errors import MedsegError, OptionError
from medseg_demo.models import added
from medseg_demo.models.catalog import CatalogEntry
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.figures import Figures, find_figures
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.ui import checkpoint_view, markup
from medseg_demo.ui.faults import explain
from medseg_demo.ui.models import list_view, texts
from medseg_demo.ui.session import Running
from medseg_demo.ui.tab import Call

Updates = dict[str, object]

MOST_COMPARED = 6
# Where else checkpoints are chosen: the names under which the tab knows those controls.
ELSEWHERE = ("in_segment", "in_compare", "in_evaluate")


def open_tab(engine: Engine, call: Call) -> Updates:
    """The tab as the page opens it: the list, and the first card."""
    sound = engine.sound()
    shown = _listed(engine, call, sound[0].name if sound else None)
    return shown if sound else {**shown, "adding": gr.update(open=True)}


def fill(engine: Engine, call: Call, name: str | None) -> Updates:
    """The list as it is now with a card, and the same choices wherever checkpoints are chosen."""
    choices = gr.update(choices=checkpoint_view.choices(engine.usable()))
    every = gr.update(choices=checkpoint_view.choices(engine.sound()))
    return {**_listed(engine, call, name), **dict.fromkeys(ELSEWHERE, choices), "in_segment": every}


def show(engine: Engine, call: Call, name: object, found: Figures | None = None) -> Updates:
    """The card of one checkpoint."""
    entry = engine.find(name) if isinstance(name, str) else None
    if entry is None:
        return {"card": gr.update(visible=False), "opened": None}
    return {
        "opened": entry.name,
        "card": gr.update(visible=True),
        "details": checkpoint_view.entry_card(entry),
        "figures": list_view.figures(entry, found),
        "weaknesses": checkpoint_view.weaknesses(entry),
        "notes": checkpoint_view.notes(entry),
        "remove": gr.update(visible=_may_remove(engine, call, entry)),
        "sure": gr.update(visible=False),
    }


def open_elsewhere(engine: Engine, tab: str, name: str | None, chosen: Sequence[str] | None = None) -> Updates:
    """Another tab, with this checkpoint chosen there.

    Args:
        engine: Knows the checkpoints.
        tab: "segment", "compare" or "evaluate".
        name: Of the checkpoint.
        chosen: What is chosen there, where several can be.
    """
    usable = engine.sound() if tab == "segment" else engine.usable()
    if name is None or name not in {entry.name for entry in usable}:
        return {"said": markup.panel("warning", texts.GONE)}
    value: str | list[str] = name
    if tab != "segment":
        others = [one for one in chosen or () if one != name and tab == "compare"]
        value = [*others[-(MOST_COMPARED - 1) :], name]
    choice = gr.update(choices=checkpoint_view.choices(usable), value=value)
    return {"tabs": gr.Tabs(selected=tab), f"in_{tab}": choice, "said": ""}


def measure(engine: Engine, call: Call, running: Running, name: str | None) -> Iterator[Updates]:
    """What the network of the open card costs here."""
    try:
        entry = engine.entry(name or "")
        yield {"measure": gr.update(interactive=False), "said": markup.busy(texts.MEASURING.format(name=entry.name))}
        with running.job(engine, waiting=call.waiting(entry.name)) as job:
            found = find_figures(engine, entry.name, job)
        yield {"figures": list_view.figures(entry, found), "said": "", "measure": gr.update(interactive=True)}
    except Cancelled:
        yield {"said": "", "measure": gr.update(interactive=True)}
    except Exception as error:
        yield {"said": _problem(error), "measure": gr.update(interactive=True)}


def ask(engine: Engine, call: Call, name: str | None) -> Updates:
    """Ask before a checkpoint is removed, and say whose it is."""
    entry = engine.find(name or "")
    if entry is None:
        return {"sure": gr.update(visible=False)}
    words = texts.REMOVE_SURE_OWN if _is_own(call, entry) else texts.REMOVE_SURE
    return {"sure": gr.update(visible=True), "question": markup.panel("warning", words.format(name=entry.name))}


def remove(engine: Engine, call: Call, name: str | None) -> Updates:
    """Remove the checkpoint of the open card. Who uses it goes on with what was loaded."""
    try:
        entry = engine.entry(name or "")
        if not _may_remove(engine, call, entry):
            raise OptionError(texts.NOT_REMOVABLE.format(name=entry.name))
        added.remove(entry.folder, entry.folder.parent)
    except MedsegError as error:
        return {"said": _problem(error), "sure": gr.update(visible=False)}
    engine = engine.beside(call.session.checkpoints_dir)
    sound = engine.sound()
    title = texts.REMOVED_TITLE.format(name=entry.name)
    return {**fill(engine, call, sound[0].name if sound else None), "said": markup.panel("good", title)}


def _listed(engine: Engine, call: Call, name: str | None) -> Updates:
    sound = engine.sound()
    own = {entry.name for entry in sound if _is_own(call, entry)}
    return {
        "list": list_view.table(sound, name, own),
        "unusable": checkpoint_view.unusable(engine.entries()),
        **show(engine, call, name),
    }


def _may_remove(engine: Engine, call: Call, entry: CatalogEntry) -> bool:
    """Whether this visitor may remove it: an own one always, others on a page that is not public."""
    if _is_own(call, entry):
        return True
    return not engine.settings.public and added.is_removable(entry.folder, engine.settings.checkpoints_dir)


def _is_own(call: Call, entry: CatalogEntry) -> bool:
    """Whether it is this session's alone."""
    return entry.folder.parent == call.session.checkpoints_dir


def _problem(error: Exception) -> str:
    return markup.panel("error", texts.FAILED_TITLE, [explain(error)])
