"""The ratio of a peak to an error in decibels: the one formula behind every PSNR."""

from math import inf, log10


def peak_to_error_db(peak: float, mean_squared_error: float) -> float:
    """Return ``10 log10(peak^2 / mean_squared_error)``, in dB; infinite without error, minus infinite without peak.

    Parameters
    ----------
    peak
        Largest possible difference of two values.
    mean_squared_error
        Mean of the squared differences.
    """
    if mean_squared_error == 0:
        return inf
    return 10 * log10(peak**2 / mean_squared_error) if peak else -inf


def precision_text(precision: str, decibels: float | None) -> str:
    """Return a precision and, where it was measured, its ratio of peak to error: ``"bf16 (73 dB against fp32)"``."""
    return precision if decibels is None else f"{precision} ({decibels:.0f} dB against fp32)"
