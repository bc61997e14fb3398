// Shows openapi.json in Swagger UI. A file of its own, because the page allows no inline scripts.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null, // it would send the address of this server to another one
});
