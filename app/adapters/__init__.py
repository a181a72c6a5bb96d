"""Everything outside the process, behind the ports of `app.domain.ports`."""
