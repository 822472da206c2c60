"""A Flask app, for what stands between it and Lambda."""

from flask import Flask, jsonify, redirect, request, session, url_for

app = Flask(__name__)
app.secret_key = "only for tests"


@app.get("/")
def hello():
    return jsonify(message="hello")


@app.get("/hello/<name>")
def greet(name):
    return jsonify(message=f"hello, {name}")


@app.get("/away")
def redirect_back():
    session["seen"] = "away"
    return redirect(url_for("back", _external=True))


@app.get("/back")
def back():
    return jsonify(seen=session.get("seen"), url=request.url, values=request.args.getlist("v"))


@app.post("/echo")
def echo():
    return request.get_data(), 200, {"Content-Type": "application/octet-stream"}
