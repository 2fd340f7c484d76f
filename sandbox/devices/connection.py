"""One device: handshake, admission, then MQTT until it ends."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import traceback
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from OpenSSL import SSL

from sandbox.device_log import DeviceEvent
from sandbox.devices import admission, iot_log, jitp, mqtt, provisioning
from sandbox.devices.admitted_device import AdmittedDevice
from sandbox.devices.broker import Broker
from sandbox.devices.session import MqttSession
from sandbox.devices.transport import Transport
from sandbox.iot import ca_certificates as ca
from sandbox.iot.backend import IoTBackend, backend_of
from sandbox.iot.certificates import subject_of
from sandbox.iot.delays import Delays

REGISTERED = "$aws/events/certificates/registered/"


class Connection:
    """One connection, in a thread of its own."""

    def __init__(
        self, broker: Broker, region: str, context: SSL.Context, sock: socket.socket
    ) -> None:
        self._broker, self._region = broker, region
        self._transport = Transport(context, sock)
        self._session: MqttSession | None = None
        self._event = DeviceEvent("connection", "refused", region)
        self._era = broker.log.era
        self._account = ""

    def serve(self) -> None:
        """All of it. Whatever happens, it is logged and the socket closed."""
        will: mqtt.Message | None = None
        self._broker.log.begin()  # until it is let in or not
        waited_for = True
        try:
            device = self._admit(self._shake_hands())
            if device is not None:
                self._session = session = MqttSession(self._broker, self._transport, device)
                will = session.connect()
                self._log("connected")
                session.acknowledge()
                self._broker.log.end()
                waited_for = False
                will = session.serve(will)
                self._log("disconnected", session.ended or "it left")
        except admission.Refused as refused:
            self._account = refused.account or self._account
            self._log("refused", refused.reason)
            if isinstance(refused, admission.RefusedPending):
                self._publish_again(refused.device)
        except mqtt.Malformed as problem:
            self._log("refused" if waited_for else "disconnected", f"MQTT: {problem}")
        except Exception:
            traceback.print_exc(file=sys.stderr)
            self._log("refused" if waited_for else "disconnected", "an error in the sandbox")
        finally:
            if self._session is not None:
                self._session.leave()
            self._transport.close()
            if will is not None:
                self._broker.publish(self._account, self._region, will, self._client_id)
            if waited_for:
                self._broker.log.end()

    @property
    def _client_id(self) -> str:
        return self._session.client_id if self._session else ""

    def _log(self, outcome: str, reason: str | None = None) -> None:
        event = replace(self._event, outcome=outcome, reason=reason, time=time.time())
        event = replace(event, account=self._account or None, name=self._client_id or None)
        self._broker.log.add(event, self._era)
        with self._broker.lock:
            iot_log.write(event)

    def _shake_hands(self) -> admission.Presented:
        presented = self._transport.shake_hands()
        self._event = replace(
            self._event,
            certificate_id=presented.certificate_id,
            server_name=presented.server_name,
        )
        return presented

    def _admit(self, presented: admission.Presented) -> AdmittedDevice | None:
        """Return the device if it is known. A first contact does its work and ends the connection.

        AWS disconnects the device of a first contact, which then has to come again (jitr).
        """
        broker, now = self._broker, datetime.now(timezone.utc)
        with broker.lock:
            holdings = list(provisioning.holdings(presented.certificate_id, self._region))
            admitted = admission.admit(presented, self._region, holdings, now)
            self._account = admitted.account
            backend = backend_of(admitted.account, self._region)
            if admitted.ca is None:
                certificate = backend.certificates[presented.certificate_id]
                subject = subject_of(presented.certificate)
                return AdmittedDevice(admitted.account, self._region, certificate, subject)
            device = provisioning.register(backend, presented.certificate, admitted.ca)
            if admitted.ca.config is not None:
                self._provision_in_time(backend, device, presented, admitted.ca)
                return None
        self._log("registered")
        self._publish_event(admitted.ca.certificate_id, now, now)
        return None

    def _provision_in_time(self, *first_contact: Any) -> None:
        """Carry out a template: now, or where that is delayed in a thread of its own."""
        if not Delays.provisioning:
            self._provision(*first_contact)
            return
        self._broker.log.begin()
        later = threading.Timer(Delays.provisioning, self._provision_later, first_contact)
        later.daemon = True
        later.start()

    def _provision_later(self, *first_contact: Any) -> None:
        log = self._broker.log
        try:
            with self._broker.lock:
                if log.era == self._era:
                    self._provision(*first_contact)
        finally:
            log.end()

    def _provision(
        self,
        backend: IoTBackend,
        device: Any,
        presented: admission.Presented,
        held: ca.CACertificate,
    ) -> None:
        try:
            if backend.certificates.get(device.certificate_id) is not device:
                raise jitp.ProvisioningFailed("the certificate was deleted")
            provisioning.provision(backend, device, presented.certificate, held)
        except jitp.ProvisioningFailed as problem:
            self._log("provisioning-failed", str(problem))
        else:
            self._log("provisioned")

    def _publish_again(self, device: admission.KnownDevice) -> None:
        """Publish the event of a certificate that still waits for its activation (reserved)."""
        if device.ca_id is not None and device.registered is not None:
            now = datetime.now(timezone.utc)
            self._publish_event(device.ca_id, device.registered, now)

    def _publish_event(self, ca_id: str, registered: datetime, now: datetime) -> None:
        with self._broker.lock:
            events = backend_of(self._account, self._region).events
            if not events.publish("CA_CERTIFICATE"):
                self._log("not-published", "events of the type CA_CERTIFICATE are disabled")
                return
        certificate_id = str(self._event.certificate_id)
        event = admission.registered_event(certificate_id, ca_id, self._account, registered, now)
        message = mqtt.Message(REGISTERED + ca_id, json.dumps(event).encode(), 1)
        self._broker.publish(self._account, self._region, message)
