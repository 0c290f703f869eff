"""Where things lie in a site folder is said by `SiteFolder` alone."""

from __future__ import annotations

import ast
from pathlib import Path

import precisionchain as pc
from precisionchain.config import SiteFolder
from tests.lib.vcf_builder import write_map, write_vcf

PACKAGE = Path(pc.__file__).parent
PARTS = {
    "config": "precisionchain.toml",
    "staging_views": "staging.duckdb",
    "outbox": "outbox.sqlite",
    "reports": "reports",
    "site_key": "site.key",
    "lock": "site.lock",
}


def _texts(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {
        node.value for node in tree if isinstance(node, ast.Constant) and type(node.value) is str
    }


def test_no_other_module_spells_the_name_of_a_part() -> None:
    folder = SiteFolder(Path("site"))
    assert {name: getattr(folder, name).name for name in PARTS} == PARTS
    spelled = [
        (str(path.relative_to(PACKAGE)), name)
        for path in sorted(PACKAGE.rglob("*.py"))
        for name in _texts(path) & set(PARTS.values())
    ]
    assert sorted(spelled) == sorted(("config.py", name) for name in PARTS.values())


def test_pages_and_views_lie_where_the_folder_says(tmp_path: Path) -> None:
    site = pc.Site.init(tmp_path / "site", site="A", build="GRCh37")
    samples = write_map(tmp_path / "map.csv", "a,1,", "b,2,")
    vcf = write_vcf(tmp_path / "set.vcf", "9:100 A G 0|1 0|0")
    run = site.stage_vcf(vcf, samples=samples, build="GRCh37")
    assert site.report() == site.folder.reports / f"{run}.html"
    assert site.folder.reports.stat().st_mode & 0o777 == 0o700
    assert site.folder.staging_views.is_file()
