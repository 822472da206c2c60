"""The tasks of this project. This file is yours: add tasks, or leave out what you don't use."""

from stepladder.collections import namespace, project

ns = namespace()
ns.add_task(project.check)
ns.add_task(project.test)
ns.add_task(project.lock)
