"""What happened during a run, as numbers that parts of a run add up."""

from dataclasses import dataclass, field

from napari_superres.core.intensity import Limited
from napari_superres.inference.engine.consistency import Agreement


@dataclass
class Counts:
    """What happened during a run.

    Attributes
    ----------
    saturated, raised, raised_far
        Values that were limited; see `intensity.Limited`.
    invalid
        Input pixels that were NaN or infinite.
    recomputed
        Tiles computed again in 32 bits because half precision overflowed.
    blocks, residual, noise, signal
        How far a few windows are from their input; see `Agreement`.
    reduced
        What was made smaller for lack of memory, in words.
    statistics
        Of layers that look at the whole image: ``layers``, ``passes`` and ``left``, see `GlobalStatistics`.
    """

    saturated: int = 0
    raised: int = 0
    raised_far: int = 0
    invalid: int = 0
    recomputed: int = 0
    blocks: int = 0
    residual: float = 0.0
    noise: float = 0.0
    signal: float = 0.0
    reduced: list[str] = field(default_factory=list)
    statistics: dict[str, float] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add the counts of another part of the run."""
        self.add_limited(Limited(other.saturated, other.raised, other.raised_far))
        self.invalid += other.invalid
        self.recomputed += other.recomputed
        self.add_agreement(other.agreement)
        self.reduced += [r for r in other.reduced if r not in self.reduced]

    @property
    def agreement(self) -> Agreement:
        """How far all windows together are from their input."""
        return Agreement(self.blocks, self.residual, self.noise, self.signal)

    def add_agreement(self, found: Agreement) -> None:
        """Add how far a window is from its input."""
        self.blocks += found.blocks
        self.residual += found.residual
        self.noise += found.noise
        self.signal += found.signal

    def add_limited(self, limited: Limited) -> None:
        """Add the values that were limited in a tile."""
        self.saturated += limited.saturated
        self.raised += limited.raised
        self.raised_far += limited.raised_far
