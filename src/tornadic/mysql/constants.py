"""Numbers of the protocol: types of fields, flags, commands, errors of client and server."""

from asyncmy.constants import CLIENT, COMMAND, CR, ER, FIELD_TYPE, FLAG, SERVER_STATUS

__all__ = ["CLIENT", "COMMAND", "CR", "ER", "FIELD_TYPE", "FLAG", "SERVER_STATUS"]
