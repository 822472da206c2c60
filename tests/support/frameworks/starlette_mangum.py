"""A Starlette app behind Mangum."""

from mangum import Mangum
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


async def hello(_request):
    return JSONResponse({"message": "hello"})


async def greet(request):
    return JSONResponse({"message": f"hello, {request.path_params['name']}"})


app = Starlette(routes=[Route("/", hello), Route("/hello/{name}", greet)])
handler = Mangum(app, lifespan="off")
