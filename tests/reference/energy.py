"""Energy of the hardware cores (DESIGN §16)."""

from tests.reference.codes import CoreState


class Meter:
    """Energy in pJ and busy time of each hardware core since the last reset."""

    def __init__(self, power, machine) -> None:
        self.power, self.machine = power, machine
        self.reset()

    def reset(self) -> None:
        """Forget everything measured."""
        self.energy_pj = [0] * self.machine.num_cores
        self.busy_ns = [0] * self.machine.num_cores

    def advance(self, cores, hardware, elapsed_ns: int) -> None:
        """Add a stretch of time in which nothing changed."""
        busy = {core.hw for core in cores if core.state == CoreState.RUNNING}
        for place in hardware:
            h = place.index
            power_mw = self.idle_mw(h) if place.is_online else self.power.off_mw
            if h in busy:
                power_mw = self.active_mw(h)
                self.busy_ns[h] += elapsed_ns
            self.energy_pj[h] += power_mw * elapsed_ns

    def idle_mw(self, h: int) -> int:
        """Give the power of an idle core."""
        power = self.power
        return power.efficiency_idle_mw if self.machine.is_efficient(h) else power.performance_idle_mw

    def active_mw(self, h: int) -> int:
        """Give the power of a busy core at its present frequency."""
        power, machine = self.power, self.machine
        active = power.efficiency_active_mw if machine.is_efficient(h) else power.performance_active_mw
        for _ in range(power.frequency_exponent):
            active = active * machine.mhz[h] // machine.nominal_mhz[h]
        return active
