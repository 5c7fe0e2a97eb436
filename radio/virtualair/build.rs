//! Compiles the C++ side. If SoapySDR's headers are missing, the module is an empty shell, and a warning reports it.

fn main() {
    println!("cargo::rerun-if-changed=src/module.cpp");
    println!("cargo::rustc-check-cfg=cfg(soapysdr)");
    let found = pkg_config::Config::new().atleast_version("0.8.0").cargo_metadata(false).probe("SoapySDR");
    let Ok(library) = found else {
        println!(
            "cargo::warning=SoapySDR is not here: the module for driver=virtualair is empty \
             (apt-get install libsoapysdr-dev pkg-config g++)"
        );
        return;
    };
    println!("cargo::rustc-cfg=soapysdr");
    cc::Build::new()
        .cpp(true)
        .std("c++14")
        .includes(&library.include_paths)
        .file("src/module.cpp")
        .warnings(true)
        .cargo_metadata(false)
        .compile("virtualair");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    println!("cargo::rustc-link-search=native={out}");
    // whole: nothing refers to the object that registers the driver
    println!("cargo::rustc-link-lib=static:+whole-archive=virtualair");
    for path in &library.link_paths {
        println!("cargo::rustc-link-search=native={}", path.display());
    }
    println!("cargo::rustc-link-lib=dylib=SoapySDR");
    println!("cargo::rustc-link-lib=dylib=stdc++");
}
