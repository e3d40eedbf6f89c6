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
