declare module "virtual:runtime" {
  /** URL of the packed wasm runtime, relative to the page. */
  const url: string;
  export default url;
}
