"""How Tyre3D is put into service: work pools, deployments, the API."""
