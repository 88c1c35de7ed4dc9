// Loads the pinned packages from the folder into which they were installed, or from beside this file.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const folder = process.env.CONFORMANCE_NODE_PACKAGES;

/** The package of this name. */
export const load = createRequire(folder ? pathToFileURL(`${folder}/`) : import.meta.url);
