"""Every check, in the order of the table. A new one is a function in the file of its family and one line here."""

from __future__ import annotations

from stepladder.doctor import caller, project_files, tools
from stepladder.doctor.check import LOCATION, PROJECT, DoctorCheck

CHECKS: tuple[DoctorCheck, ...] = (
    DoctorCheck("settings", PROJECT, project_files.settings),
    DoctorCheck("terraform", PROJECT, tools.terraform),
    DoctorCheck("programs", PROJECT, tools.programs),
    DoctorCheck("engine", PROJECT, tools.engine),
    DoctorCheck("library", PROJECT, project_files.library),
    DoctorCheck("providers", PROJECT, project_files.providers),
    DoctorCheck("python", PROJECT, project_files.python_support),
    DoctorCheck("account", LOCATION, caller.check, needs_caller=False),
)
