"""HTTP APIs of API Gateway: `<id>.execute-api.localhost` and `/_api/<id>/...` on the cloud's own port.

Moto keeps APIs, routes, integrations and stages. https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html
"""
