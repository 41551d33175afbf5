"""The page's scripts outside of a page: what the worker reads and computes, by Node."""

import base64
import json
import shutil
import subprocess

import numpy as np
import pytest

from medseg_demo.exporting.page import page

KINDS = {"Uint8Array": "u1", "Int8Array": "i1", "Uint16Array": "u2", "Int16Array": "i2", "Uint32Array": "u4"}
KINDS |= {"Int32Array": "i4", "Float32Array": "f4", "Float64Array": "f8", "Uint8ClampedArray": "u1"}

# Arrays travel as [kind, base64]. In Node the library for DICOM is a module of its own.
HARNESS = """
const dicomParser = module.exports;
const thawed = (value) => {
  if (value?.kind) return new globalThis[value.kind](Uint8Array.from(Buffer.from(value.data, "base64")).buffer);
  if (Array.isArray(value)) return value.map(thawed);
  if (!value || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, thawed(one)]));
};
const frozen = (_, value) => !ArrayBuffer.isView(value) ? value : {
  kind: value.constructor.name, data: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64"),
};
const input = thawed(JSON.parse(require("fs").readFileSync(0, "utf8")));
(async () => {
  try {
    const result = await (async () => CALL)();
    console.log(JSON.stringify({ result }, frozen));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    console.log(JSON.stringify({ refused: error.message }));
  }
})();
"""


def frozen(value):
    if isinstance(value, np.ndarray):
        kind = next(name for name, code in KINDS.items() if np.dtype(code) == value.dtype)
        return {"kind": kind, "data": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()}
    if isinstance(value, bytes):
        return frozen(np.frombuffer(value, np.uint8))
    return {name: frozen(one) for name, one in value.items()} if isinstance(value, dict) else value


def thawed(value):
    if isinstance(value, dict) and value.keys() == {"kind", "data"}:
        return np.frombuffer(base64.b64decode(value["data"]), KINDS[value["kind"]])
    if isinstance(value, dict):
        return {name: thawed(one) for name, one in value.items()}
    return [thawed(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="session")
def call(tmp_path_factory):
    """Evaluates an expression over the worker's functions and ``input``: gives {"result"} or {"refused"}."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    scripts = [page._vendored(page.DICOM).decode(), *map(page._source, page.WORKER_SCRIPTS[:-1])]
    folder = tmp_path_factory.mktemp("scripts")

    def run(expression: str, **values):
        path = folder / "script.cjs"
        path.write_text("\n".join([*scripts, HARNESS.replace("CALL", expression)]), encoding="utf-8")
        finished = subprocess.run(
            [node, path], input=json.dumps(frozen(values)), capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
        return thawed(json.loads(finished.stdout))

    return run
