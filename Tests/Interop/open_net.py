"""A network of its own for one program: public addresses, names, and an authority that it trusts.

    unshare --user --map-root-user --net --mount python3 open_net.py FOLDER PROGRAM ARGUMENT...

In the namespace every address of ADDRESSES is this machine, UDP port 53 answers for the names of ZONE, and the web
servers on port 443 answer by path. Certificates are signed by an authority that is mounted over the system's. The
program's output is ours; behind it comes one line, `seen` and a JSON object: how often each name was asked for (`names`)
and each address served (`hits`).
"""

import collections
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

PUBLIC, OTHER, INNER = "93.184.215.14", "93.184.215.15", "10.9.8.7"
SLOW = [f"93.184.216.{number}" for number in range(1, 5)]
ADDRESSES = [PUBLIC, OTHER, INNER, "169.254.169.254", *SLOW]
ZONE = {
    "good.example": [PUBLIC],
    "other.example": [OTHER],
    "stranger.example": [PUBLIC],
    "dead.example": ["93.184.215.99", PUBLIC],
    "loopback.example": ["127.0.0.1"],
    "both.example": [PUBLIC, "127.0.0.1"],
    "inner.example": [INNER],
    "cloud.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "sixtofour.example": ["2002:7f00:1::1"],
    "local6.example": ["fe80::1"],
    "loopback6.example": ["::1"],
    **{f"slow{number}.example": [address] for number, address in enumerate(SLOW)},
    # Changes its mind between two questions.
    "rebind.example": [[PUBLIC], ["127.0.0.1"]],
}
# The certificate is for all but one.
CERTIFIED = sorted(name for name in ZONE if name != "stranger.example")

names, hits = collections.Counter(), collections.Counter()


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def prepare(folder):
    run("ip", "link", "set", "lo", "up")
    for address in ADDRESSES:
        run("ip", "address", "add", f"{address}/32", "dev", "lo")
    authority, key, request, certificate = (os.path.join(folder, name) for name in ("ca.pem", "key.pem", "csr.pem", "certificate.pem"))
    names = os.path.join(folder, "names")
    with open(names, "w") as file:
        file.write("subjectAltName=" + ",".join("DNS:" + name for name in CERTIFIED))
    ca_key = os.path.join(folder, "ca-key.pem")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run("openssl", "req", "-x509", *curve, "-keyout", ca_key, "-out", authority, "-days", "2", "-subj", "/CN=test authority")
    run("openssl", "req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=test")
    run("openssl", "x509", "-req", "-in", request, "-CA", authority, "-CAkey", ca_key, "-CAcreateserial", "-days", "2",
        "-extfile", names, "-out", certificate)
    resolver = os.path.join(folder, "resolv.conf")
    with open(resolver, "w") as file:
        file.write("nameserver 127.0.0.1\n")
    for source, target in ((authority, "/etc/ssl/certs/ca-certificates.crt"), (resolver, os.path.realpath("/etc/resolv.conf"))):
        run("mount", "--bind", source, target)
    return certificate, key


def answer_names():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def serve():
        while True:
            query, client = server.recvfrom(512)
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
                at += 1 + query[at]
            name, kind = ".".join(labels), struct.unpack("!H", query[at + 1:at + 3])[0]
            names[name] += kind == 1
            found = ZONE.get(name, [])
            if found and isinstance(found[0], list):
                found = found[min(names[name], len(found)) - 1]
            family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
            data = [socket.inet_pton(family, text) for text in found if family and (":" in text) == (kind == 28)]
            code = 0x8180 if name in ZONE else 0x8183
            reply = query[:2] + struct.pack("!HHHHH", code, 1, len(data), 0, 0) + query[12:at + 5]
            for octets in data:
                reply += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(octets)) + octets
            server.sendto(reply, client)

    threading.Thread(target=serve, daemon=True).start()


def head(status, length, kind="application/json", more=""):
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{more}\r\n".encode()


def say(connection, host, path):
    """What is answered for a path; `/doc` is a client's metadata of its own address."""
    body = b'{"keys":[]}'
    if path == "/redirect":
        connection.sendall(head("302 Found", 0, more="location: https://loopback.example/secret\r\n"))
    elif path == "/long":
        connection.sendall(head("200 OK", 5121) + b" " * 5121)
    elif path == "/endless":
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
    elif path == "/headers":
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"x-more: " + b"y" * 1000 + b"\r\n")
    elif path == "/early":
        while True:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
    elif path == "/slow":
        for octet in head("200 OK", 200) + b" " * 200:
            connection.sendall(bytes([octet]))
            time.sleep(0.1)
    elif path == "/silent":
        time.sleep(30)
    elif path == "/page":
        connection.sendall(head("200 OK", len(body), "text/html") + body)
    elif path == "/packed":
        connection.sendall(head("200 OK", len(body), more="content-encoding: gzip\r\n") + body)
    elif path == "/cut":
        connection.sendall(head("200 OK", 100) + body)
    elif path == "/missing":
        connection.sendall(head("404 Not Found", len(body)) + body)
    elif path == "/doc":
        text = {"client_id": f"https://{host}{path}", "client_name": "A client", "redirect_uris": ["http://127.0.0.1/callback"],
                "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"]}
        body = json.dumps(text).encode()
        connection.sendall(head("200 OK", len(body)) + body)
    else:
        connection.sendall(head("200 OK", len(body)) + body)


def serve_pages(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(connection, address):
        try:
            with context.wrap_socket(connection, server_side=True) as stream:
                request = b""
                while b"\r\n\r\n" not in request and len(request) < 8192:
                    part = stream.recv(4096)
                    if not part:
                        return
                    request += part
                hits[address] += 1
                lines = request.decode("latin-1").split("\r\n")
                host = next(line[5:].strip() for line in lines if line.lower().startswith("host:"))
                say(stream, host, lines[0].split(" ")[1])
        except (OSError, ssl.SSLError):
            pass

    def accept(address):
        server = socket.create_server((address, 443))
        while True:
            connection, _ = server.accept()
            threading.Thread(target=serve, args=(connection, address), daemon=True).start()

    for address in [*ADDRESSES, "127.0.0.1"]:
        threading.Thread(target=accept, args=(address,), daemon=True).start()


def main():
    folder, *command = sys.argv[1:]
    certificate, key = prepare(folder)
    answer_names()
    serve_pages(certificate, key)
    status = subprocess.run(command).returncode
    print("seen", json.dumps({"names": names, "hits": hits}), flush=True)
    # Threads that still talk are left.
    os._exit(status)


if __name__ == "__main__":
    main()
