"""Intervals of shares and of their differences, 95 %. Standard library only."""
import math

Z = 1.959964


def wilson(right, count):
    """(low, high) of right / count."""
    share, z2 = right / count, Z * Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def paired(gained, lost, count):
    """(low, high) of (gained - lost) / count over the same items: Wald, a pair of each sort added (Bonett 2012)."""
    up, down = (gained + 1) / (count + 2), (lost + 1) / (count + 2)
    half = Z * math.sqrt((up + down - (up - down) ** 2) / (count + 2))
    return max(-1.0, up - down - half), min(1.0, up - down + half)


def unpaired(right, count, other_right, other_count):
    """(low, high) of the difference of two shares of different items: Wald, one right and one wrong added to each.

    Agresti, Caffo 2000.
    """
    a, b = (right + 1) / (count + 2), (other_right + 1) / (other_count + 2)
    half = Z * math.sqrt(a * (1 - a) / (count + 2) + b * (1 - b) / (other_count + 2))
    return max(-1.0, a - b - half), min(1.0, a - b + half)
