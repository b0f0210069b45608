"""The OpenAPI document of an application, made from its actions and nothing else."""
