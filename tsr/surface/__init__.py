"""The surface of a scene code: marching cubes, sparse evaluation, and the fast field."""
