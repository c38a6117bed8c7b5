"""What is read of a host's measurements."""

from __future__ import annotations

from compute_core.xenapi import rrd

DOCUMENT = (
    "<xport><meta><legend><entry>AVERAGE:vm:u1:cpu0</entry><entry>AVERAGE:vm:u1:memory</entry><entry>AVERAGE:vm:u2:cpu0</entry>"
    "<entry>AVERAGE:host:h:cpu0</entry><entry>odd</entry></legend></meta><data>"
    "<row><t>5</t><v>0.1</v><v>1.0</v><v>0.2</v><v>0.3</v><v>1</v></row>"
    "<row><t>15</t><v>0.5</v><v>NaN</v><v>0.6</v><v>0.75</v><v>1</v></row>"
    "<row><t>10</t><v>0.9</v><v>2.0</v><v>0.7</v><v>nonsense</v><v>1</v></row></data></xport>"
)


def test_the_newest_row_counts_wherever_it_stands_and_what_was_not_measured_is_left_out() -> None:
    assert rrd.last(DOCUMENT) == {("vm", "u1"): {"cpu0": 0.5}, ("vm", "u2"): {"cpu0": 0.6}, ("host", "h"): {"cpu0": 0.75}}
    assert rrd.last("<xport/>") == {}
