"""One step of a cycle must not end the loop: its error is counted, journalled by the stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from envs.core.errors import QuantumTraderError
from runtime.subsystems.emergency_stop import EmergencyStop

_LOG = logging.getLogger(__name__)


async def run_guarded(step: Awaitable[None], stop: EmergencyStop, now_ns: int) -> bool:
    """Run one step of a cycle; an error is counted by the emergency stop, not raised."""
    try:
        await step
    except asyncio.CancelledError:
        raise
    except QuantumTraderError as error:
        _LOG.error("cycle: %s", error)
        stop.engine_error(now_ns, str(error))
        return False
    except Exception as error:
        _LOG.exception("cycle")
        stop.engine_error(now_ns, repr(error))
        return False
    stop.engine_ok()
    return True
