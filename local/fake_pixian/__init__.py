"""A server that stands in for https://api.pixian.ai on this machine.

It cuts out for real, refuses what the API page does not allow, keeps a ledger of every request
and fails on demand: `control` has the routes, `remove_background` the steps.
"""

from local.fake_pixian.server import StandIn

__all__ = ["StandIn"]
