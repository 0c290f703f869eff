"""``precisionchain demo``: two hospitals, one ledger, and the truth to compare every answer with.

Every step but two is a command that a reader can type; the demo runs it as typed and shows it. The
others make the hospitals' files, and edit a byte of a ledger behind its back.
"""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from precisionchain.cli.demo_tamper import tampered_copy
from precisionchain.cli.demo_teller import (
    MISMATCH,
    ROWS_SHOWN,
    CommandFailedError,
    Run,
    Teller,
    run_command,
)
from precisionchain.errors import IntegrityError, UsageError
from precisionchain.synthetic.consortium import generate_consortium
from precisionchain.synthetic.consortium_truth import ConsortiumTruth
from precisionchain.synthetic.questions import (
    COHORT,
    five_questions,
    the_cohort,
    unknown_of_cohort,
    what_was_rejected,
)

DEFAULT_DIRECTORY = Path("demo_network")
MARKER = ".made-by-precisionchain-demo"
FIRST, SECOND = SITES = ("A", "B")
PERSON = 42
RESEARCHER = f"alice@{SECOND}"
COHORT_NAME = "diabetes_carriers"

Tamper = Callable[[Path, Path], int]


def run_demo(
    directory: Path = DEFAULT_DIRECTORY,
    *,
    seed: int = 1,
    persons: int = 300,
    run: Run = run_command,
    tamper: Tamper = tampered_copy,
    console: Console | None = None,
) -> int:
    """Tell the whole story once.

    Args:
        directory: made anew; removed first if an earlier demo made it.
        seed: seed of the hospitals.
        persons: size of each.
        run: how a command is run.
        tamper: how a tampered copy of a site is made.
        console: where the story is told; standard output by default.

    Returns:
        0 when every answer was what the truth says; 1 when one was not; else the exit code of the
        command that failed.

    Raises:
        UsageError: the directory holds something the demo did not make, or msprime is missing.
    """
    teller = Teller(run, console or Console(highlight=False))
    demo = _Demo(directory, teller)
    started = time.monotonic()
    prepare_directory(directory)
    try:
        truth = demo.generate(seed, persons)
        demo.join()
        demo.ingest(truth)
        demo.ask(truth)
        demo.cohort(truth)
        demo.who_saw_whom()
        demo.verify(tamper)
    except CommandFailedError as failure:
        teller.say(f"[red]The command above failed with exit code {failure.exit_code}.[/]")
        return failure.exit_code
    return demo.end(time.monotonic() - started)


def prepare_directory(directory: Path) -> None:
    """Make an empty directory with the demo's marker in it.

    Raises:
        UsageError: it holds files and no marker, so that somebody else made it.
    """
    if directory.is_dir() and (directory / MARKER).is_file():
        shutil.rmtree(directory)
    elif directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        message = f"{directory} exists and was not made by the demo"
        raise UsageError(message, hint="name another with --directory; nothing was touched")
    directory.mkdir(parents=True, exist_ok=True)
    text = "precisionchain demo made this folder and removes it when it runs again.\n"
    (directory / MARKER).write_text(text, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Demo:
    directory: Path
    teller: Teller

    @property
    def hospitals(self) -> Path:
        return self.directory / "hospitals"

    def site(self, name: str) -> Path:
        return self.directory / f"site_{name.lower()}"

    # --------------------------------------------------------------------------------- the steps

    def generate(self, seed: int, persons: int) -> ConsortiumTruth:
        """Make the files of two hospitals, and keep the truth apart."""
        self.teller.chapter("Two synthetic hospitals")
        truth = generate_consortium(self.hospitals, seed=seed, persons=persons)
        for name, of_site in truth.sites.items():
            s = of_site.settings
            self.teller.say(
                f"{name}: {persons} persons, {sum(s['accepted'].values()):,} rows of OMOP tables "
                f"and {sum(s['rejected'].values())} more broken on purpose; {s['genotyped']} "
                f"persons genotyped at {sum(s['vcf_records'].values()):,} sites (GRCh37)."
            )
        self.teller.say(
            f"{FIRST} sequenced whole genomes, {SECOND} exomes. Families, some of whom are on "
            f"record at both; a variant that raises the odds of diabetes. Seed {seed}. The truth "
            f"is in {self.hospitals / 'truth'}, which no site ever reads."
        )
        return truth

    def join(self) -> None:
        """Found a network, and let the second hospital join it."""
        tell = self.teller
        tell.chapter("One ledger, two institutions")
        first, second = self.site(FIRST), self.site(SECOND)
        tell.command("init", str(first), "--site", FIRST, "--build", "GRCh37")
        ledger = f"embedded:../{first.name}/ledger.sqlite"
        token = tell.command("init", str(second), "--site", SECOND, "--ledger", ledger).strip()
        tell.say(f"{SECOND} hands {FIRST}'s administrator its join token, which holds no secret.")
        tell.at(first, "admit", token)

    def ingest(self, truth: ConsortiumTruth) -> None:
        """Let each site take in its own files."""
        tell = self.teller
        tell.chapter("Each takes in its own: stage, validate, encode, publish, seal")
        for name in SITES:
            files, site = self.hospitals / name, self.site(name)
            vocabulary = ("--vocabulary", str(files / "vocabulary"))
            tell.at(site, "ingest", "omop", str(files / "omop"), *vocabulary)
            bed = files / "assay.bed"
            tell.at(
                site,
                *("ingest", "vcf", str(files / "genotypes.vcf.gz")),
                *("--samples", str(files / "samples.csv"), "--build", "GRCh37"),
                *("--assay", str(bed) if bed.exists() else "wgs"),
            )
        tell.ask(self.site(FIRST), what_was_rejected(truth.sites[FIRST]))
        tell.say("\nThe same as a page to read, with record numbers, pictures and sizes:")
        tell.at(self.site(FIRST), "report", "--all")

    def ask(self, truth: ConsortiumTruth) -> None:
        """Ask five questions about both hospitals at once."""
        self.teller.chapter("Five questions, each compared with the truth")
        for question in five_questions(truth, site=FIRST, person_id=PERSON):
            self.teller.ask(self.site(FIRST), question)

    def cohort(self, truth: ConsortiumTruth) -> None:
        """Let a researcher of the second hospital find a cohort at both."""
        tell, site = self.teller, self.site(SECOND)
        tell.chapter("One cohort, by diabetes and a variant, at both hospitals")
        tell.at(site, "user", "add", RESEARCHER, "--role", "researcher")
        tell.ask(site, the_cohort(truth))
        asked = ("cohort", COHORT, "--summary", "--save", COHORT_NAME)
        rows = tell.objects(site, "--user", RESEARCHER, *asked)
        unknown = unknown_of_cohort(truth)
        wrong = "" if [row.get("unknown") for row in rows] == [unknown] else f"not {unknown}"
        tell.check(
            f"{rows[0].get('unknown') if rows else 'no'} persons with diabetes are unknown",
            "nobody called them there, so they are neither carriers nor not",
            wrong,
        )
        tell.at(site, "--user", RESEARCHER, "query", "person", f"{FIRST}:{PERSON}", "--json")

    def who_saw_whom(self) -> None:
        """Show the first hospital's auditor what others have seen."""
        tell, site, person = self.teller, self.site(FIRST), f"{FIRST}:{PERSON}"
        tell.chapter(f"Who saw whom: {FIRST} asks the ledger")
        tell.say(f"\n[bold]Who saw person {person}?[/]")
        saw = tell.objects(site, "audit", "who-saw", person)
        tell.show(saw, ("entry", "time", "user", "operation", "how"), limit=8)
        by_others = [row for row in saw if row.get("user") == RESEARCHER]
        tell.check(
            f"{len(saw)} entries name {person}",
            f"the question of {RESEARCHER} about that person among them",
            "" if any(r.get("operation") == "person" for r in by_others) else "one is missing",
        )
        tell.say(f"\n[bold]How much have others used what {FIRST} contributed?[/]")
        rows = tell.objects(site, "audit", "summary", "--site", FIRST)
        others = [row for row in rows if row.get("kind") == "use by others"]
        tell.show(others, ("user_site", "operation", "n_questions", "n_persons_returned"))
        tell.check(f"{len(others)} kinds of use by others", "counted", "" if others else "none")
        kinds = Counter(str(row.get("kind")) for row in tell.objects(site, "audit", "entries"))
        unanswered = kinds["request"] - kinds["result"] - kinds["refused"] - kinds["failed"]
        tell.check(
            f"{kinds['request']} questions and {kinds['result']} answers logged",
            "an entry before every answer, and one after its evaluation",
            # The question that reads the log is in it, and not yet answered.
            "" if kinds["request"] > ROWS_SHOWN and unanswered <= 1 else "they do not pair",
        )

    def verify(self, tamper: Tamper) -> None:
        """Check every byte of the ledger, then of a copy in which one bit differs."""
        tell, site = self.teller, self.site(FIRST)
        tell.chapter("Everything is recomputed from the bytes on the ledger")
        checks = tell.objects(site, "verify")
        wrong = [str(row.get("check")) for row in checks if not row.get("ok")]
        if not checks:
            wrong = ["nothing was checked"]
        tell.show(checks, ("check", "ok"), limit=20)
        tell.check(f"{len(checks)} checks", "all hold", "; ".join(wrong))
        copy = self.directory / "tampered"
        position = tamper(site, copy)
        tell.say(f"\nSomebody flips one bit of item {position} in a copy, {copy}:")
        checks = tell.objects(copy, "verify", exit_code=IntegrityError.exit_code)
        found = [
            {"check": row.get("check"), "finding": finding}
            for row in checks
            if not row.get("ok")
            for finding in row.get("findings", ())
        ]
        tell.show(found, ("check", "finding"))
        place = re.compile(rf"\bposition {position}\b")
        located = any(place.search(str(row["finding"])) for row in found)
        tell.check("the tampered byte", "found, and located", "" if located else "not found")

    def end(self, seconds: float) -> int:
        """The last words, and the exit code."""
        tell = self.teller
        tell.chapter("End")
        if tell.failed:
            tell.say(f"[red]{len(tell.failed)} of {tell.checks} comparisons failed.[/]")
            return MISMATCH
        tell.say(
            f"[green]All {tell.checks} comparisons hold[/], after {seconds:.0f} s. "
            f"The sites stay in {self.directory}; try"
        )
        tell.show_command("-C", str(self.site(SECOND)), "cohort", f"saved({COHORT_NAME})")
        tell.show_command("-C", str(self.site(FIRST)), "audit", "entries")
        return 0
