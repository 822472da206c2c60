"""The local cloud: one process on loopback that stands in for AWS, for trials and for tests.

Moto's server answers most calls. The services in this package answer those that stepladder relies on and that Moto
doesn't offer. See docs/concepts/local-cloud.md.
"""
