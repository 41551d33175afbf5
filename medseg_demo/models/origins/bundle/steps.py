"""The parts of a bundle that decide a result: from its configuration to MONAI's classes with plain arguments."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from medseg_demo.models.origins.bundle.classes import (
    IGNORED,
    IMAGE,
    INFERERS,
    NETWORKS,
    POSTPROCESSING,
    PREDICTION,
    PREPROCESSING,
    READING,
    SPATIAL,
    arguments_fault,
    bare_name,
)
from medseg_demo.models.origins.bundle.config import (
    DISABLED,
    NOT_ARGUMENTS,
    TARGET,
    Configuration,
    ConfigurationError,
    Place,
)
from medseg_demo.models.recipes import BundleSteps, Call

WITHOUT_BACKGROUND = "lambda x: x[1:]"
DEEPEST = 8  # Compose within each other
Listed = tuple[dict[str, Any], Place]


def read_network(configuration: Configuration) -> Call:
    """The network's class and arguments.

    Raises:
        ConfigurationError: They are missing, are no data, or it is no network that is taken.
    """
    if "network_def" not in configuration:
        raise ConfigurationError("network_def is missing, which says what network it is")
    raw, place = configuration.follow("@network_def", ("network_def",))
    call = _call(configuration, raw, place)
    if call is None or call.target not in NETWORKS:
        shown = "a disabled part" if call is None else repr(str(raw[TARGET])[:80])
        raise configuration.fault(
            place, f"it names {shown}, which is no network of MONAI that is taken: {', '.join(sorted(NETWORKS))}"
        )
    return call


def read_steps(configuration: Configuration, dimensions: int) -> tuple[BundleSteps, tuple[int, ...] | None]:
    """What is done before and after the network, and the size of what it gets; None where that depends on the image.

    Raises:
        ConfigurationError: A part is no data, or names a class that is not taken.
    """
    keys, rows_first, before = _preprocessing(configuration)
    after, channels = _postprocessing(configuration)
    inferer = Call(target="SimpleInferer")
    if "inferer" in configuration:
        raw, place = configuration.follow("@inferer", ("inferer",))
        inferer = _call(configuration, raw, place) or inferer
        if inferer.target not in INFERERS or inferer.arguments.get("with_coord"):
            raise configuration.fault(place, f"the inferer {inferer.target[:80]!r} is none that is taken")
    if fault := next(filter(None, map(arguments_fault, (*before, inferer, *after))), ""):
        raise ConfigurationError(fault)
    size = _size(inferer, before, dimensions)
    steps = BundleSteps(
        inputs=keys,
        preprocessing=before,
        inferer=inferer,
        postprocessing=after,
        is_sliced=inferer.target == "SliceInferer",
        rows_first=rows_first,
        any_size=size is None,
        lazy=_is_lazy(configuration),
        channels=channels,
    )
    return steps, size


def _preprocessing(configuration: Configuration) -> tuple[tuple[str, ...], bool, tuple[Call, ...]]:
    """The names of the images, whether they are read as (y, x), and the transforms."""
    keys: tuple[str, ...] = ()
    rows_first, calls = False, []
    for raw, place in _listed(configuration, "preprocessing"):
        name = bare_name(str(raw.get(TARGET, "")))
        if name in READING:
            if name == "LoadImaged" and not keys:
                found = configuration.resolve(raw.get("keys", IMAGE), (*place, "keys"))
                keys = tuple(map(str, found)) if isinstance(found, list) else (str(found),)
                rows_first = raw.get("reverse_indexing") is False or raw.get("reader") == "NumpyReader"
            continue
        if name not in PREPROCESSING:
            shown = str(raw.get(TARGET))[:80]
            raise configuration.fault(place, f"the transform {shown!r} is none that is taken before the network")
        call = _call(configuration, raw, place)
        calls += [call] if call else []
    keys = tuple(key for key in keys if key not in ("label", PREDICTION)) or (IMAGE,)
    return keys, rows_first, tuple(calls)


def _postprocessing(configuration: Configuration) -> tuple[tuple[Call, ...], tuple[int, ...]]:
    """The transforms, and the order in which a lambda of known form writes the channels of regions."""
    calls: list[Call] = []
    channels: tuple[int, ...] = ()
    for raw, place in _listed(configuration, "postprocessing"):
        name = bare_name(str(raw.get(TARGET, "")))
        if name in ("SaveImaged", "ToDeviced"):
            continue
        if name == "Lambdad":
            channels = _order_written(configuration, raw, place)
            continue
        if name not in POSTPROCESSING:
            shown = str(raw.get(TARGET))[:80]
            raise configuration.fault(place, f"the transform {shown!r} is none that is taken after the network")
        call = _call(configuration, raw, place, left=("transform", "to_onehot"))
        if name == "Invertd":
            target, at = configuration.follow(raw.get("transform"), (*place, "transform"))
            if configuration.follow("@preprocessing", ("preprocessing",)) != (target, at):
                raise configuration.fault(place, "it inverts something else than preprocessing")
        calls += [call] if call else []
    return tuple(calls), channels


def _order_written(configuration: Configuration, raw: dict[str, Any], place: Place) -> tuple[int, ...]:
    """The channels in the order in which a lambda writes them, the last over the others; () where it drops background.

    Two forms are known, by their syntax alone: ``x[1:]`` after one-hot labels, and
    ``torch.where(x[[i]] > 0, v, torch.where(…, 0))``, by which the zoo's BraTS bundle writes its regions.
    """
    text = raw.get("func")
    refused = configuration.fault(
        place, f"{str(text)[:80]!r} is an expression of Python, and no code of a checkpoint is run"
    )
    try:
        tree = ast.parse(str(text).removeprefix("$").strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise refused from None
    if ast.unparse(tree) == WITHOUT_BACKGROUND:
        return ()
    if not isinstance(tree, ast.Lambda) or [one.arg for one in tree.args.args] != ["x"]:
        raise refused
    node, found = tree.body, []
    while isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.where" and len(node.args) == 3:
        channel = re.fullmatch(r"x\[\[(\d{1,3})\]\] > 0", ast.unparse(node.args[0]))
        if not channel or not isinstance(node.args[1], ast.Constant):
            raise refused
        found.append(int(channel.group(1)))
        node = node.args[2]
    if not found or ast.unparse(node) != "0":
        raise refused
    return tuple(reversed(found))


def _call(configuration: Configuration, raw: object, place: Place, *, left: tuple[str, ...] = ()) -> Call | None:
    """A class and its arguments; None where it is disabled. What is ``left`` is not looked at."""
    if not isinstance(raw, dict) or not isinstance(raw.get(TARGET), str):
        raise configuration.fault(place, "it names no class (_target_)")
    if _is_disabled(configuration, raw, place):
        return None
    name = bare_name(raw[TARGET])
    if raw[TARGET].startswith("$") or not name:
        raise configuration.fault(place, f"it names {raw[TARGET][:80]!r}, and no class but MONAI's own is ever made")
    if configuration.resolve(raw.get("_mode_", "default"), place) != "default":
        raise configuration.fault(place, "its _mode_ is not the default one")
    names = [key for key in raw if key not in NOT_ARGUMENTS and key not in IGNORED and key not in left]
    arguments = {str(key): configuration.resolve(raw[key], (*place, str(key))) for key in names}
    if _holds_component(arguments):
        raise configuration.fault(place, "an argument is a component of its own")
    return Call(target=name, arguments=arguments)


def _is_disabled(configuration: Configuration, raw: dict[str, Any], place: Place) -> bool:
    return str(configuration.resolve(raw.get(DISABLED, False), place)).strip().lower() == "true"


def _holds_component(value: object) -> bool:
    if isinstance(value, dict):
        return TARGET in value or any(map(_holds_component, value.values()))
    return isinstance(value, list) and any(map(_holds_component, value))


def _listed(configuration: Configuration, name: str) -> Iterator[Listed]:
    """The transforms of a part, those of nested Compose among them, as they stand."""
    if name in configuration:
        yield from _within(configuration, f"@{name}", (name,), 0)


def _within(configuration: Configuration, value: object, place: Place, depth: int) -> Iterator[Listed]:
    value, place = configuration.follow(value, place)
    if isinstance(value, dict) and bare_name(str(value.get(TARGET, ""))) == "Compose":
        if not _is_disabled(configuration, value, place):
            yield from _within(configuration, value.get("transforms", []), (*place, "transforms"), depth + 1)
    elif isinstance(value, list) and depth < DEEPEST:
        for index, one in enumerate(value):
            yield from _within(configuration, one, (*place, index), depth + 1)
    elif isinstance(value, dict):
        if not _is_disabled(configuration, value, place):
            yield value, place
    elif value is not None:
        raise configuration.fault(place, "it is no transform")


def _is_lazy(configuration: Configuration) -> bool:
    part, place = configuration.follow("@preprocessing", ()) if "preprocessing" in configuration else (None, ())
    return isinstance(part, dict) and configuration.resolve(part.get("lazy", False), place) is True


def _size(inferer: Call, before: tuple[Call, ...], dimensions: int) -> tuple[int, ...] | None:
    """What the network always gets, (x, y) or (x, y, z); None where that depends on the image."""
    if inferer.target != "SimpleInferer":
        return sides_of(inferer.arguments.get("roi_size"), dimensions)
    for call in reversed(before):
        if call.target in ("Resized", "ResizeWithPadOrCropd"):
            plain = call.arguments.get("size_mode", "all") == "all"
            return sides_of(call.arguments.get("spatial_size"), dimensions) if plain else None
        if call.target in SPATIAL:
            return None
    return None


def sides_of(value: object, dimensions: int) -> tuple[int, ...] | None:
    """So many positive sides, one for all of them given alone; None where they are no such."""
    sides = [value] * dimensions if isinstance(value, int) else value
    if not isinstance(sides, list):
        return None
    sides = sides[:dimensions]
    fits = len(sides) == dimensions and all(isinstance(side, int) and side > 0 for side in sides)
    return tuple(sides) if fits else None
