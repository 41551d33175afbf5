"""Reads and runs a graph of ONNX once, as a process of its own: a damaged or hostile one may end the process.

Started as a script (``onnx.py`` beside it does), so that nothing but OpenVINO is imported. Reads the file from its
input and writes one line of JSON: ``{"outputs": [shape, …]}``, or ``{"fault": "…"}``.
"""

import io
import json
import math
import sys
from collections.abc import Sequence

LARGEST_TENSOR = 2**30  # elements of any tensor between two steps: 4 GiB in float32
SPARE_BYTES = 2 * 2**30  # of address space, for libraries and threads


def outputs_of(content: bytes, shape: Sequence[int]) -> list[list[int]]:
    """The shapes that a graph gives for an input of one shape, once it has computed one.

    Raises:
        ValueError: A tensor within would be larger than any memory.
        RuntimeError: OpenVINO cannot read or run it.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # see models.conversion
    import numpy as np
    import openvino

    core = openvino.Core()
    model = core.read_model(io.BytesIO(content))
    model.reshape(list(shape))
    for step in model.get_ops():
        for output in step.outputs():
            size = output.partial_shape
            if size.is_static and math.prod(size.to_shape()) > LARGEST_TENSOR:
                raise ValueError(f"{step.get_type_name()} would give {' × '.join(map(str, size.to_shape()))} values")
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1})
    results = compiled(np.zeros(shape, np.float32))
    return [list(results[index].shape) for index in range(len(compiled.outputs))]


def _limit_memory(content: int) -> None:
    try:
        import os
        import resource

        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        most = max(SPARE_BYTES + 8 * content, whole * 3 // 4)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):  # Windows; a system that sets no limits
        return


def main() -> None:
    """See the module."""
    content = sys.stdin.buffer.read()
    _limit_memory(len(content))
    try:
        answer: dict[str, object] = {"outputs": outputs_of(content, json.loads(sys.argv[1]))}
    except (Exception, MemoryError) as error:  # of any kind: it is told, and nothing else depends on it
        answer = {"fault": str(error) or type(error).__name__}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
