"""Serve the API on Lambda: Mangum turns the URL's events into what FastAPI understands."""

from mangum import Mangum

from app.api import api

handler = Mangum(api, lifespan="off")
