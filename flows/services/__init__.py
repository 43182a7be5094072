"""The servers of a team on one machine: PostgreSQL, MLflow, Prefect and a worker, on loopback.

``python -m flows.services start|stop|status|backup|restore``; all of it is in one folder (`flows.services.folder`).
"""
