//! The documents of a saved image that say which layers it has: `manifest.json` of docker, and the index and manifests
//! of an OCI layout.

use std::collections::BTreeMap;

use serde_json::Value;

/// docker's list of images and their layers.
pub(super) const DOCKER: &str = "manifest.json";
/// The entry point of an OCI layout.
pub(super) const INDEX: &str = "index.json";
/// How deep indexes may be nested: one lists the platforms, and programs wrap it in another.
const MAX_NESTED: usize = 3;

type Documents = BTreeMap<String, Vec<u8>>;

/// The files of the layers, the lowest first; `has` says which files there are, as an index may list platforms that were
/// not saved. Errors: why there are none, for `cannot use FILE: …`.
pub(super) fn layers(documents: &Documents, arch: &str, has: &dyn Fn(&str) -> bool) -> Result<Vec<String>, String> {
    if let Some(list) = documents.get(DOCKER) {
        return docker(&json(DOCKER, list)?);
    }
    let index =
        documents.get(INDEX).ok_or_else(|| format!("it is not a saved image: it has no {DOCKER} and no {INDEX}"))?;
    let mut found = Vec::new();
    manifests(documents, &json(INDEX, index)?, MAX_NESTED, None, &mut found)?;
    found.retain(|manifest| manifest.layers.iter().all(|layer| has(layer)));
    let fits = |manifest: &&Manifest| manifest.arch.as_deref() == Some(arch);
    let mut fitting: Vec<&Manifest> = found.iter().filter(fits).collect();
    if fitting.is_empty() {
        // The architecture of the program itself is checked later.
        fitting = found.iter().collect();
    }
    fitting.dedup_by(|a, b| a.layers == b.layers);
    match fitting.as_slice() {
        [] => Err("its index lists no image whose layers it has".to_owned()),
        [one] => Ok(one.layers.clone()),
        several => Err(format!("it contains {} images: expected one", several.len())),
    }
}

fn json(name: &str, bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|_| format!("its {name} is not valid JSON"))
}

fn docker(list: &Value) -> Result<Vec<String>, String> {
    let images = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let [image] = images else { return Err(format!("it contains {} images: expected one", images.len())) };
    let layers = image["Layers"].as_array().ok_or_else(|| format!("its {DOCKER} lists no layers"))?;
    let name = |layer: &Value| layer.as_str().map(str::to_owned).ok_or_else(|| format!("its {DOCKER} is not valid"));
    layers.iter().map(name).collect()
}

/// One image of a layout.
struct Manifest {
    arch: Option<String>,
    layers: Vec<String>,
}

/// The manifests that an index lists. What was not saved is left out.
fn manifests(
    documents: &Documents,
    index: &Value,
    depth: usize,
    arch: Option<&str>,
    found: &mut Vec<Manifest>,
) -> Result<(), String> {
    for descriptor in index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let platform = &descriptor["platform"];
        // An attestation is listed like an image, for the platform unknown/unknown.
        if platform["os"].as_str().is_some_and(|os| os != "linux") {
            continue;
        }
        let arch = platform["architecture"].as_str().or(arch);
        let path = blob(descriptor)?;
        let Some(bytes) = documents.get(&path) else { continue };
        let document = json(&path, bytes)?;
        if document["manifests"].is_array() {
            let depth = depth.checked_sub(1).ok_or("its indexes are nested too deep")?;
            manifests(documents, &document, depth, arch, found)?;
        } else if let Some(layers) = document["layers"].as_array() {
            let layers = layers.iter().map(blob).collect::<Result<_, _>>()?;
            // An index without platforms: the configuration of the image has the architecture.
            let config = blob(&document["config"]).ok().and_then(|path| documents.get(&path));
            let config = config.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
            let of_config = config.as_ref().and_then(|config| config["architecture"].as_str());
            found.push(Manifest { arch: arch.or(of_config).map(str::to_owned), layers });
        }
        if found.len() > 100 {
            return Err("its index lists too many images".to_owned());
        }
    }
    Ok(())
}

/// The file of a digest.
fn blob(descriptor: &Value) -> Result<String, String> {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    let (algorithm, hex) = digest.split_once(':').unwrap_or_default();
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_plain(algorithm) || !is_plain(hex) {
        return Err(format!("a digest in it is not valid: {:?}", digest.chars().take(80).collect::<String>()));
    }
    Ok(format!("blobs/{algorithm}/{hex}"))
}
