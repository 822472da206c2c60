"""Who may do what in the local cloud: an evaluator of IAM policies, and a map from AWS calls to what IAM sees of them.

`calls.accesses` lists which actions on which resources a call is. `decide.decide` evaluates policies for one of those.
Nothing in this folder knows a running cloud: who calls, and which policies apply, is handed in (`model.py`).
"""
