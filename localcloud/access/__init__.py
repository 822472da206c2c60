"""Who calls the local cloud, and what is done about calls that IAM wouldn't allow.

Keys that the cloud issued lead to a caller, whose signature is verified. `gate.AccessGate` gathers the policies that
apply and has `localcloud.authorization` decide.
"""
