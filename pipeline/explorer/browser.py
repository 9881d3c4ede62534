"""The report of a run in a web browser: opened as a file, or served on the loopback address alone."""

import contextlib
import http.server
import signal
import webbrowser
from pathlib import Path

from pipeline.errors import UserError
from pipeline.ui import HOST, free_port


def report_of(folder: Path) -> Path:
    """The report of a run.

    Raises
    ------
    UserError if there is none
    """
    report = folder / "report.html"
    if not report.is_file():
        raise UserError(
            f"{folder}: no report.html in it", f"write it: python -m pipeline.report run={folder}"
        )
    return report


def open_report(report: Path) -> int:
    """Open the report in the user's browser; say where it is if there is none."""
    address = report.resolve().as_uri()
    if webbrowser.open(address):
        print(f"Opened {address}")
        return 0
    raise UserError(
        f"no web browser found; the report is {address}", "--serve serves it on the loopback address"
    )


def server_of(report: Path, port: int) -> http.server.ThreadingHTTPServer:
    """A server of this one file on the loopback address; whatever else is asked for is not found."""

    class OneFile(http.server.BaseHTTPRequestHandler):
        """Answers with the report."""

        def do_GET(self) -> None:
            """The report, read anew each time."""
            if self.path.partition("?")[0] not in ("/", "/report.html"):
                self.send_error(404)
                return
            data = report.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """No line a request."""

    return http.server.ThreadingHTTPServer((HOST, port), OneFile)


def serve_report(report: Path, port: int) -> int:
    """Serve the report until Ctrl-C."""
    # Ended politely by others, it stops as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with server_of(report, free_port(port)) as server:
        print(f"Report: http://{HOST}:{server.server_port}/   (Ctrl-C stops it)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    print("\nStopped.")
    return 0
