"""The local cloud: one process on loopback that stands in for AWS while trying things out and in tests.

Moto's server does the wide part; plugins do what stepladder leans on and Moto leaves out
(docs/concepts/local-cloud.md).
"""
