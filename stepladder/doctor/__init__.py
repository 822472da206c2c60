"""What is wrong with a project and what it made in AWS: checks that read, each with the command that fixes it.

| a new check | is |
|---|---|
| a function | takes a `DoctorContext`, yields `Finding`s; in the file of its family |
| registered | by one line of `stepladder/doctor/registered.py` |
"""
