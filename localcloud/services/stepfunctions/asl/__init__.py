"""The Amazon States Language with JSONPath: validation and an interpreter that follows the cloud's clock.

https://states-language.net/spec.html. JSONata isn't offered: a definition that asks for it is refused.
"""
