"""The Flask app behind serverless-wsgi."""

import serverless_wsgi
from flask_app import app


def handler(event, context):
    return serverless_wsgi.handle_request(app, event, context)
