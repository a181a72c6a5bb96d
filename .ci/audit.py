"""Look the pinned packages up in the list of known vulnerabilities, and say what could be looked up.

    python .ci/audit.py requirements/dev.txt

Ends with 1 where a pinned version is known to be vulnerable; where the list cannot be reached it says so and
ends with 0, because the network is not the project's fault.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main(requirements: str) -> int:
    """Run pip-audit and judge its answer."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--format", "json"]
    command += ["--progress-spinner", "off", "--timeout", "10", "--requirement", requirements]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        print("pip-audit: the list of vulnerabilities could not be reached; nothing was audited.")
        return 0
    known = [package for package in packages if "skip_reason" not in package]
    bad = [package for package in known if package.get("vulns")]
    print(f"pip-audit: {len(known)} of {len(packages)} pinned packages looked up, {len(bad)} vulnerable.")
    if not known:
        print("pip-audit: the list of vulnerabilities could not be reached; nothing was audited.")
    for package in bad:
        for found in package["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "no version yet"
            print(f"  {package['name']} {package['version']}: {found['id']}, fixed in {fixed}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
