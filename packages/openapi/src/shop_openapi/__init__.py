"""The API's OpenAPI document, made from the functions' code, and the pages made of it. Never deployed."""
