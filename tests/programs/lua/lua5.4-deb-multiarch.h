/* What debian/rules writes when it builds the package. */
#define DEB_HOST_MULTIARCH "wasm32-wasi"
