"""The least that a rotation could be: boto3 get, httpx POST, boto3 put, in eight threads.

Twice: flat out, and at a worker's pace. A process that waits between two rounds finds the
processor's caches and its clock as others left them, and each round costs it more.
"""

import json
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import process_time

import boto3
import httpx
from botocore.config import Config

from rotator.clock import Clock, new_id

THREADS = 8


def main(base: str, rounds: int, pace: float) -> None:
    """`pace`: rounds a second, the second time."""
    client = boto3.client("secretsmanager", config=Config(max_pool_connections=THREADS))
    login = b64encode(b"sandbox-partner-token:").decode()
    with httpx.Client(headers={"authorization": f"Basic {login}"}, trust_env=False) as http:

        def one(number: int) -> None:
            user = f"u{number % 300 + 1}"
            secret = f"rotator/token/albato/c{number % 300 + 1}"
            fields = json.loads(client.get_secret_value(SecretId=secret)["SecretString"])
            answer = http.post(f"{base}/wl/acme/get-user-session-token", json={"id": user})
            fields["access_token"] = answer.json()["data"]["sessionToken"]
            client.put_secret_value(
                SecretId=secret, SecretString=json.dumps(fields), ClientRequestToken=new_id()
            )

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(one, range(THREADS)))  # connections are open, code is loaded
            flat_out = _cpu(pool, one, rounds)
            paced = _cpu(pool, _paced(one, pace), rounds)
    print(f"bare: {flat_out:.6f} {paced:.6f}", flush=True)


def _cpu(pool: ThreadPoolExecutor, one: Callable[[int], None], rounds: int) -> float:
    """CPU seconds a round."""
    began = process_time()
    list(pool.map(one, range(rounds)))
    return (process_time() - began) / rounds


def _paced(one: Callable[[int], None], pace: float) -> Callable[[int], None]:
    """The same, each round not before its turn."""
    clock, pause = Clock(), threading.Event()
    began = clock.monotonic()

    def paced(number: int) -> None:
        pause.wait(max(began + number / pace - clock.monotonic(), 0))
        one(number)

    return paced


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
