"""How far away AWS and Momento are, for the sandbox to add: it runs on this machine, where no call travels.

The ranges are of others' measurements, named beside them, read on 2026-11-25. A service's own time comes on top; AWS
publishes none. TLS 1.3 needs one round trip before the first request (RFC 8446), TCP one before that.
"""

from __future__ import annotations

from dataclasses import dataclass

HANDSHAKE_ROUND_TRIPS = 2  # TCP, TLS 1.3; with TLS 1.2 it is 3 (RFC 5246)


@dataclass(frozen=True)
class Distance:
    """A network path: seconds of a round trip on it, the range that was measured, and by whom."""

    round_trip: float
    measured: str
    source: str

    @property
    def handshake(self) -> float:
        """Seconds before the first request of a new connection."""
        return self.round_trip * HANDSHAKE_ROUND_TRIPS

    def title(self, name: str) -> str:
        if not self.round_trip:
            return "Distance: this machine. No time is added: both services run here."
        return f"Distance: {name}. This time is added by the sandbox; it is not AWS's or Momento's."

    def lines(self) -> list[str]:
        if not self.round_trip:
            return []
        return [
            f"each call: {self.round_trip * 1e3:g} ms, a round trip",
            f"a new connection: {self.handshake * 1e3:g} ms more, one round trip for TCP and one for TLS 1.3",
            f"measured by others: {self.measured} ({self.source})",
        ]


_ZONES = "https://www.xkyle.com/Measuring-AWS-Region-and-AZ-Latency/"
_REGIONS = "https://acomputerscientistlearnsaws.blogspot.com/2017/04/aws-regions.html"

DISTANCES = {
    "this machine": Distance(0.0, "", ""),
    "same zone": Distance(0.0005, "from 0.25 ms", _ZONES),
    "same region": Distance(0.002, "up to 3.4 ms between two zones", _ZONES),
    "another region": Distance(0.080, "19 to 183 ms from us-west-2", _REGIONS),
}
