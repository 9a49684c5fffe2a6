"""Deadlock: transfers lock the accounts first, audits lock the journal first."""

from __future__ import annotations

import threading


class Bank:
    def __init__(self) -> None:
        self.accounts = threading.Lock()
        self.journal = threading.Lock()
        self._both_hold_one = threading.Barrier(2)

    def transfer(self) -> None:
        with self.accounts:
            self._both_hold_one.wait()
            with self.journal:
                pass

    def audit(self) -> None:
        with self.journal:
            self._both_hold_one.wait()
            with self.accounts:
                pass


bank = Bank()
threading.Thread(target=bank.transfer, daemon=True).start()
bank.audit()
