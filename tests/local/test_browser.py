"""A page in a real browser can't use the local cloud: not from another origin, nor by a name that leads to it.

The browser reaches the cloud through a relay, which notes what it sent and what came back.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import browser
import needs
import pytest
import urllib3
from asking import code_of, until
from functions import PYTHON

pytestmark = pytest.mark.cloud
OTHER = "page.example.com"  # leads to this machine, by the browser's own table of hosts
SCOPE = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=123456789012/20260101/us-east-1/lambda/aws4_request"
    "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0"
)
"""A page may know the account's key, and sign for its root: the origin alone keeps it out."""
PASSED_ON = ("Content-Type", "Host", "Origin", "Sec-Fetch-Site", "Access-Control-Request-Method")
PAGE = """<!doctype html><title>a page of somebody else</title><iframe name="form"></iframe><script>
const jobs = JOBS;
const said = {};
async function ask(job) {
  const options = {method: job.method, mode: job.mode, cache: "no-store"};
  if (job.body) { options.body = job.body; options.headers = {"Content-Type": job.type || "text/plain"}; }
  try {
    const answer = await fetch(job.url, options);
    return [answer.type, answer.status, await answer.text()];
  } catch (error) { return ["refused by the browser", 0, String(error)]; }
}
function post(job) {  // a form may go anywhere, and with text/plain its body is name=value, any text
  const frame = document.createElement("iframe"), form = document.createElement("form");
  frame.name = "frame-" + job.name; document.body.append(frame, form);
  const field = document.createElement("input"), cut = job.body.indexOf("=");
  field.name = job.body.slice(0, cut); field.value = job.body.slice(cut + 1);
  form.append(field); form.method = "post"; form.enctype = "text/plain";
  form.action = job.url; form.target = frame.name;
  return new Promise(done => { frame.onload = () => done(["form", 0, ""]); form.submit(); });
}
function show(job) {
  return new Promise(done => {
    const image = new Image(); image.onload = image.onerror = event => done(["image", 0, event.type]);
    image.src = job.url;
  });
}
(async () => {
  for (const job of jobs) said[job.name] = await ({form: post, image: show}[job.mode] || ask)(job);
  await fetch("/said", {method: "POST", body: JSON.stringify(said)});
})();
</script>"""


class Relay:
    """A server of pages that hands every other request on to a cloud, as it came, and notes both ways.

    To a browser that is what a name is that led to a page's server first, and leads to the cloud later.
    """

    def __init__(self, cloud: str) -> None:
        self.pages: dict[str, str] = {}
        self.said: dict[str, Any] = {}
        self.seen: list[dict[str, Any]] = []
        relay, pool = self, urllib3.PoolManager()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == "/said":
                    relay.said = json.loads(body)
                    self.send(204, {}, b"")
                elif self.path in relay.pages:
                    self.send(200, {"Content-Type": "text/html"}, relay.pages[self.path].encode())
                elif self.path == "/favicon.ico":
                    self.send(204, {}, b"")
                else:
                    headers = {name: value for name in PASSED_ON if (value := self.headers.get(name))}
                    there = pool.request(
                        self.command, cloud + self.path, headers=headers, body=body, retries=False, timeout=20
                    )
                    relay.seen.append(
                        {"method": self.command, "path": self.path, "status": there.status, "body": body, **headers}
                    )
                    self.send(there.status, {"Content-Type": there.headers.get("Content-Type", "")}, there.data)

            do_GET = do_POST = do_DELETE = do_PUT = do_OPTIONS = answer  # noqa: N815 - the library's names

            def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def visit(self, host: str, jobs: list[dict[str, str]]) -> dict[str, Any]:
        """Open a page of `host` that does the jobs; return what the page was told."""
        self.pages["/page"], self.said = PAGE.replace("JOBS", json.dumps(jobs)), {}
        with browser.visiting(f"http://{host}:{self.port}/page", names={OTHER: "127.0.0.1"}):
            until(lambda: self.said, bool, seconds=60)
        return self.said


@pytest.fixture
def relays(cloud: Any) -> Iterator[tuple[Relay, Relay]]:
    """Two origins: the one that pages are from, and the one that leads to the cloud."""
    try:
        browser.path_of_browser()
    except browser.NoBrowserError as error:
        needs.missing(str(error))
    both = Relay(cloud.url), Relay(cloud.url)
    yield both
    for relay in both:
        relay.server.shutdown()
        relay.server.server_close()


@pytest.fixture
def victim(functions: Any) -> str:
    """The name of a function with a URL."""
    name: str = functions.create("def handler(event, context):\n    return 'ran'\n")
    shared = {"FunctionName": name, "Principal": "*"}
    add = functions.client.add_permission
    add(**shared, StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
    add(**shared, StatementId="call", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)
    return name


def attempts(functions: Any, victim: str, base: str, evil: str) -> list[dict[str, str]]:
    """What a page would try: all of it is done when no browser sends it."""
    code = {"ZipFile": base64.b64encode(functions.zip()).decode()}
    wanted = {"FunctionName": evil, "Runtime": f"python{PYTHON}", "Role": functions.role, "Code": code}
    create = json.dumps({**wanted, "Handler": "app.handler", "Description": "="})
    post: dict[str, str] = {"method": "POST", "mode": "no-cors"}
    made = f"{base}/2015-03-31/functions?{SCOPE}"
    call = f"{base}/2015-03-31/functions/{victim}/invocations?{SCOPE}"
    fault, clock = '{"kind": "error", "body": "="}', '{"advance": 100000, "x": "="}'
    return [
        {**post, "name": "create", "url": made, "body": create},
        {**post, "name": "create, read", "mode": "cors", "url": made, "body": create},
        {**post, "name": "create, JSON", "mode": "cors", "url": made, "body": create, "type": "application/json"},
        {**post, "name": "create by a form", "mode": "form", "url": made, "body": create},
        {**post, "name": "invoke", "url": call, "body": '{"a": "="}'},
        {**post, "name": "invoke by a form", "mode": "form", "url": call, "body": '{"a": "="}'},
        {**post, "name": "faults", "url": f"{base}/_stepladder/faults", "body": fault},
        {**post, "name": "faults by a form", "mode": "form", "url": f"{base}/_stepladder/faults", "body": fault},
        {**post, "name": "clock", "url": f"{base}/_stepladder/clock", "body": clock},
        {**post, "name": "clock by a form", "mode": "form", "url": f"{base}/_stepladder/clock", "body": clock},
        {"method": "GET", "mode": "cors", "name": "list", "url": made},
        {"method": "GET", "mode": "image", "name": "image", "url": f"{made}&image=1"},
        {"method": "DELETE", "mode": "cors", "name": "calls", "url": f"{base}/_stepladder/calls"},
    ]


@pytest.mark.parametrize(("page", "site"), [("127.0.0.1", "same-site"), (OTHER, "cross-site")])
def test_a_page_of_another_origin_reaches_function_urls_and_nothing_else(
    functions: Any, victim: str, relays: tuple[Relay, Relay], page: str, site: str
) -> None:
    theirs, target = relays
    base, evil = f"http://127.0.0.1:{target.port}", functions.name()
    url = functions.client.create_function_url_config(FunctionName=victim, AuthType="NONE")["FunctionUrl"]
    open_to_pages = urlsplit(url).path
    jobs = attempts(functions, victim, base, evil)
    jobs.append({"method": "GET", "mode": "no-cors", "name": "url", "url": base + open_to_pages})
    before, when = functions.cloud.calls(), functions.cloud.info.request("clock")["now"]
    said = theirs.visit(page, jobs)
    assert {seen["Sec-Fetch-Site"] for seen in target.seen if seen["method"] != "OPTIONS"} == {site}
    assert {seen["path"] for seen in target.seen if seen["status"] != 403} == {open_to_pages}
    assert sum(seen["method"] == "POST" for seen in target.seen) == 9  # each but the JSON, which asks first
    assert [seen["status"] for seen in target.seen if seen["method"] == "OPTIONS"] == [403, 403]
    assert not [name for name, (_, status, _) in said.items() if status]  # nothing was shown to the page
    _unchanged(functions, evil, before, when)


def test_a_page_whose_name_leads_to_the_cloud_is_refused_in_so_many_words(
    functions: Any, victim: str, relays: tuple[Relay, Relay]
) -> None:
    rebound, _ = relays
    jobs = attempts(functions, victim, f"http://{OTHER}:{rebound.port}", evil := functions.name())
    before, when = functions.cloud.calls(), functions.cloud.info.request("clock")["now"]
    said = rebound.visit(OTHER, jobs)
    assert {seen["Host"] for seen in rebound.seen} == {f"{OTHER}:{rebound.port}"}
    assert [seen for seen in rebound.seen if seen["status"] != 403] == []
    assert len(rebound.seen) == len(jobs)  # one's own origin is never asked first
    kind, status, text = said["list"]
    assert (kind, status, "--allow-host" in text) == ("basic", 403, True)
    _unchanged(functions, evil, before, when)


def test_the_same_request_is_done_for_a_client_that_is_no_page(functions: Any, victim: str) -> None:
    create, *_ = attempts(functions, victim, functions.cloud.url, evil := functions.name())
    made = urllib3.request("POST", create["url"], body=create["body"], headers={"Content-Type": "text/plain"})
    assert made.status == 201
    assert functions.client.get_function(FunctionName=evil)["Configuration"]["FunctionName"] == evil


def _unchanged(functions: Any, evil: str, before: list[str], when: float) -> None:
    cloud = functions.cloud
    assert cloud.calls() == before
    assert cloud.info.request("faults")["faults"] == []
    assert cloud.info.request("clock")["now"] - when < 10_000
    assert code_of(lambda: functions.client.get_function(FunctionName=evil)) == "ResourceNotFoundException"
