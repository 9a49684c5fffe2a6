"""Shared pools of HTTP connections keep to their size, and waits for them are recorded."""

from __future__ import annotations

from textwrap import dedent

from programs import observed

SERVER = """
    import threading
    from concurrent.futures import ThreadPoolExecutor
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    inside = most = connections = 0
    changed = threading.Condition()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 60

        def setup(self):
            global connections
            super().setup()
            with changed:
                connections += 1

        def do_GET(self):
            # The first ones answer together, so that a client with two connections opens both.
            global inside, most
            with changed:
                inside += 1
                most = max(most, inside)
                changed.notify_all()
                changed.wait_for(lambda: most >= 2, 30)
                inside -= 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.path)))
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    paths = [f"/{number}" for number in range(200)]

    def ask_all(ask):
        with ThreadPoolExecutor(8, thread_name_prefix="clients") as clients:
            return list(clients.map(ask, paths)) == paths

    def close():
        server.shutdown()
        serving.join(30)
        server.server_close()
        for each in threading.enumerate():
            if each is not threading.main_thread():
                each.join(30)
"""

URLLIB3 = """
    import urllib3

    pool = urllib3.HTTPConnectionPool("127.0.0.1", server.server_port, maxsize=2, block=True, timeout=30)
    print(ask_all(lambda path: pool.request("GET", path).data.decode()), most, connections, pool.num_requests)
    held = [pool.request("GET", "/held", preload_content=False) for _ in range(2)]
    try:
        pool.request("GET", "/", pool_timeout=0.1)
    except urllib3.exceptions.EmptyPoolError as error:
        print(str(error).partition(": ")[2])
    print([each.data for each in held], pool.request("GET", "/again").data, connections)
    pool.close()
    close()
"""

REQUESTS = """
    import requests

    def ask(path):
        with session.get(address + path, timeout=30) as answer:
            answer.raise_for_status()
            return answer.text

    address = f"http://127.0.0.1:{server.server_port}"
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=2, pool_block=True))
        print(ask_all(ask), most, connections)
    close()
"""

REPORT = """
    name = "urllib3.connectionpool:ConnectionPool._new_pool_queue"
    waits = [each for each in recorded.blocking if each.name.startswith(name)]
    locks = [each for each in recorded.locks if each.name.startswith(name) and each.name.endswith("(Queue.mutex)")]
    print({each.kind for each in waits}, sorted({each.site.function for each in waits}))
    print(sum(each.duration.count for each in waits) > 0, sum(each.acquisitions for each in locks) >= 400)
    print([(each.name, each.submitted, each.finished, each.unread_exceptions) for each in recorded.executors])
    servers = [each for each in recorded.threads if "_worker" not in each.target]
    print(sorted((each.target, each.started, each.finished) for each in servers))
"""

SEEN = [
    "True True",
    "[('clients', 200, 200, 0)]",
    "[('socketserver:BaseServer.serve_forever', 1, 1), ('socketserver:ThreadingMixIn.process_request_thread', 2, 2)]",
]


def test_a_pool_of_urllib3_lends_each_connection_to_one_thread() -> None:
    assert observed(dedent(SERVER) + dedent(URLLIB3), REPORT) == (
        [
            "True 2 2 200",
            "Pool is empty and a new connection can't be opened due to blocking mode.",
            "[b'/held', b'/held'] b'/again' 2",
        ],
        ["{'queue'} ['__main__', '__main__.<lambda>']", *SEEN],
    )


def test_threads_share_a_session_of_requests() -> None:
    assert observed(dedent(SERVER) + dedent(REQUESTS), REPORT) == (
        ["True 2 2"],
        ["{'queue'} ['__main__.ask']", *SEEN],
    )
