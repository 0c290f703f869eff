"""Every error PrecisionChain raises on purpose, in one tree.

::

    PrecisionChainError                 exit 1   something we have a name for
    ├── UsageError                      exit 2   the request itself is malformed
    │   ├── RegionError                          a region or variant that cannot be, or be parsed
    │   ├── UnknownConceptError                  a concept in no vocabulary slice and in no row
    │   ├── UnknownPersonError                   a person no batch has published
    │   ├── AmbiguousPersonError                 a bare person id that several sites hold
    │   └── JoinTokenError                       a join token that cannot be admitted
    ├── SiteError                       exit 3   the site folder
    │   ├── SiteExistsError                      init into a folder that already is a site
    │   ├── NotASiteError                        a command in a folder without precisionchain.toml
    │   ├── SiteLockedError                      another job holds the site's lock
    │   ├── KeyPermissionError                   a private key others could read
    │   ├── NotAdmittedError                     the site is no member of its network yet
    │   └── ParameterMismatchError               settings differ from those on the ledger
    ├── InputError                      exit 4   a file handed to us
    │   ├── UnreadableFileError                  absent, truncated, wrong compression, not text
    │   ├── OmopFormatError                      header or table that is not OMOP CDM
    │   ├── VcfFormatError                       header or record that is not VCF
    │   ├── BedFormatError                       a line that is not of BED
    │   ├── SampleMapError                       unknown, duplicate or missing samples
    │   ├── MetadataFormatError                  sequencing metadata, or a list of sites, unusable
    │   ├── BuildMismatchError                   reference build contradicted or unproven
    │   ├── DuplicateVariantError                one allele twice with different genotypes
    │   └── OverlapError                         persons already sealed over the same extent
    ├── SealRefusedError                exit 5   a batch that a rule or threshold keeps from sealing
    ├── AccessRefusedError              exit 6   the gate says no
    ├── LedgerError                     exit 7   the ledger
    │   ├── LedgerUnavailableError               cannot be opened, read-only, no space, no answer
    │   ├── LedgerFormatError                    not ours, or of another format version
    │   ├── StreamExistsError                    create_stream of a name that is taken
    │   ├── UnknownStreamError                   publish or read of a stream nobody created
    │   ├── LimitError                           item, key or name over the ledger's limits
    │   └── ConflictError                        the same key, already held by another item
    └── IntegrityError                  exit 8   bytes that contradict a digest, signature or root
        └── CodecError                           a payload or envelope that cannot be decoded

Catch ``PrecisionChainError`` to catch them all. A message says what, where (file and line, or
stream and position) and what to do next, and never a value of a person's record.
"""

from __future__ import annotations


class PrecisionChainError(Exception):
    """Base of the tree.

    Args:
        message: what is wrong, in one sentence.
        where: the file and line, or the stream and position, that is meant.
        hint: what the reader can do next.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.message = message
        self.where = where
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class UsageError(PrecisionChainError):
    """The request itself is malformed."""

    exit_code = 2


class RegionError(UsageError):
    """A genomic region or variant that cannot be parsed, or on a contig that nobody has."""


class UnknownConceptError(UsageError):
    """A concept that is in no vocabulary slice and in no row."""


class UnknownPersonError(UsageError):
    """A person no sealed batch has published."""


class AmbiguousPersonError(UsageError):
    """A bare person id that more than one site holds."""


class JoinTokenError(UsageError):
    """A join token that is damaged, of another network, or of a site that is known already."""


class SiteError(PrecisionChainError):
    """The site folder is not as it must be."""

    exit_code = 3


class SiteExistsError(SiteError):
    """``init`` into a folder that already is a site."""


class NotASiteError(SiteError):
    """A command in a folder without ``precisionchain.toml``."""


class SiteLockedError(SiteError):
    """Another job holds the site's lock."""


class KeyPermissionError(SiteError):
    """A private key that others than its owner could read."""


class NotAdmittedError(SiteError):
    """The site has not been admitted to its network yet."""


class ParameterMismatchError(SiteError):
    """Settings that shape stored data differ from those on the ledger."""


class InputError(PrecisionChainError):
    """A file handed to us cannot be taken as it is."""

    exit_code = 4


class UnreadableFileError(InputError):
    """A file that is absent, truncated, wrongly compressed or not text."""


class OmopFormatError(InputError):
    """A header or table that is not OMOP CDM."""


class VcfFormatError(InputError):
    """A header or record that is not VCF."""


class BedFormatError(InputError):
    """A BED file with a line that is not chrom, start and end, or without any."""


class SampleMapError(InputError):
    """Unknown, duplicate or missing samples."""


class MetadataFormatError(InputError):
    """A file of sequencing metadata, or a list of sites, that cannot be taken."""


class BuildMismatchError(InputError):
    """The reference build is contradicted by the file, or cannot be proven."""


class DuplicateVariantError(InputError):
    """One allele twice in a batch, with different genotypes."""


class OverlapError(InputError):
    """Persons whose genotypes over the same extent are already sealed."""


class SealRefusedError(PrecisionChainError):
    """A batch that a rule or threshold keeps from being sealed."""

    exit_code = 5


class AccessRefusedError(PrecisionChainError):
    """The gate refuses the request."""

    exit_code = 6


class LedgerError(PrecisionChainError):
    """The ledger cannot do what was asked."""

    exit_code = 7


class LedgerUnavailableError(LedgerError):
    """The ledger cannot be opened or written: read-only, no space, no answer."""


class LedgerFormatError(LedgerError):
    """A file that is not our ledger, or of another format version."""


class StreamExistsError(LedgerError):
    """``create_stream`` of a name that is taken (names are compared case-folded)."""


class UnknownStreamError(LedgerError):
    """Publishing to, or reading from, a stream nobody created."""


class LimitError(LedgerError):
    """An item, key or name beyond the ledger's limits."""


class ConflictError(LedgerError):
    """Another item already has this (publisher, batch, ordinal)."""


class IntegrityError(PrecisionChainError):
    """Bytes that contradict a digest, a signature or a Merkle root."""

    exit_code = 8


class CodecError(IntegrityError):
    """An envelope or payload that cannot be decoded."""
