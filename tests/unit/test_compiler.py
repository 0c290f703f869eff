"""numba as a command loads it: without scipy's linear algebra, which stays to be had."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import json, sys
from precisionchain.schemas.compiler import load_lean
load_lean()
before = [name in sys.modules for name in ("numba", "scipy.linalg", "cffi")]
import numpy as np
from precisionchain.schemas.calls import Calls, pack_calls
codes = pack_calls(Calls(np.array([[0, 1, 2, 3]], np.uint8))).codes.tolist()
import cffi, scipy.linalg
print(json.dumps([before, codes, float(scipy.linalg.det(np.eye(2)))]))
"""


def test_numba_loads_alone_and_the_others_are_to_be_had_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, check=True)
    loaded, codes, determinant = json.loads(done.stdout)
    assert loaded == [True, False, False]
    assert codes == [[0b01_00_10_11]]
    assert determinant == 1.0


def test_what_ingests_genotypes_is_loaded_with_numba_and_never_looked_at_for_garbage() -> None:
    """Without DuckDB, whose objects must not be kept so."""
    script = (
        "import gc, sys\n"
        "from precisionchain.cli.ingest import _PUBLISHING, _STAGING\n"
        "from precisionchain.schemas.compiler import load_lean\n"
        "load_lean(*_STAGING, *_PUBLISHING)\n"
        "assert {*_STAGING, *_PUBLISHING} <= sys.modules.keys()\n"
        "assert 'duckdb' not in sys.modules\n"
        "from precisionchain.ingest.publish import Publisher\n"
        "assert not any(one is Publisher for one in gc.get_objects())"
    )
    subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)


def test_numba_that_is_there_is_left_alone() -> None:
    script = (
        "import numba, sys\n"
        "from precisionchain.schemas.compiler import load_lean\n"
        "load_lean()\n"
        "import numpy as np\n"
        "assert numba.njit(lambda a: np.dot(a, a))(np.ones(3)) == 3.0"
    )
    subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)


def test_arrow_makes_arrays_without_pandas_and_still_gives_it_to_who_asks() -> None:
    script = (
        "import sys\n"
        "from precisionchain.schemas.compiler import load_lean\n"
        "load_lean()\n"
        "import pyarrow as pa\n"
        "made = pa.array([1, 2])\n"
        "assert 'pandas' not in sys.modules\n"
        "assert made.to_pandas().tolist() == [1, 2]\n"
        "assert 'pandas' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, check=True)


def test_arrow_takes_all_of_its_memory_from_jemalloc(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from precisionchain.schemas.compiler import give_back_memory, load_lean\n"
        "before = dict(os.environ)\n"
        "give_back_memory()\n"
        "load_lean()\n"
        "assert dict(os.environ) == before\n"
        "import pyarrow as pa, pyarrow.parquet as pq\n"
        "if 'jemalloc' not in pa.supported_memory_backends():\n"
        "    sys.exit(0)\n"
        "assert 'mimalloc' in pa.supported_memory_backends()\n"
        "rows = pa.table({'a': pa.array(range(100_000))})\n"
        "pq.write_table(rows, sys.argv[1], compression='zstd')\n"
        "assert pq.read_table(sys.argv[1]).equals(rows)\n"
        "assert pa.jemalloc_memory_pool().max_memory() > 800_000\n"
        "assert pa.mimalloc_memory_pool().max_memory() == 0"
    )
    place = str(tmp_path / "rows.parquet")
    done = subprocess.run([sys.executable, "-c", script, place], capture_output=True, check=True)
    assert done.stderr == b""


def test_what_was_loaded_is_not_searched_for_garbage_and_duckdb_is_collected() -> None:
    script = (
        "import gc\n"
        "from precisionchain.schemas.compiler import load_lean\n"
        "load_lean()\n"
        "assert gc.isenabled()\n"
        "kept = gc.get_freeze_count()\n"
        "assert kept > 50_000, kept\n"
        "import duckdb\n"
        "duckdb.connect().execute('SELECT 1')\n"
        "load_lean()\n"
        "assert gc.get_freeze_count() <= kept"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stderr == b""


def test_nothing_is_kept_where_duckdb_was_loaded_before() -> None:
    script = (
        "import duckdb, gc\n"
        "from precisionchain.schemas.compiler import load_lean\n"
        "load_lean()\n"
        "assert gc.isenabled() and not gc.get_freeze_count()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stderr == b""


def test_a_function_compiled_before_is_run_without_what_compiling_takes() -> None:
    run = (
        "import sys\n"
        "from precisionchain.schemas.compiler import load_lean\n"
        "load_lean()\n"
        "import numpy as np\n"
        "from precisionchain.schemas.calls import Calls, pack_calls\n"
        "assert pack_calls(Calls(np.array([[0, 1, 2, 3]], np.uint8))).codes.tolist() == [[0x4b]]\n"
    )
    lean = "assert 'numba.np.linalg' not in sys.modules and 'scipy.linalg' not in sys.modules\n"
    compiling = "import numba\nassert numba.njit(lambda a: np.dot(a, a))(np.ones(3)) == 3.0\n"
    subprocess.run([sys.executable, "-c", run], capture_output=True, check=True)  # fills the cache
    for script in (run + lean, run + compiling):
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
