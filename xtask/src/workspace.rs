//! The workspace as cargo describes it.

use std::env;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Message, Metadata, MetadataCommand, Package, TargetKind};

/// The workspace around the current folder.
#[derive(Debug)]
pub struct Workspace {
    metadata: Metadata,
}

/// A program that was built, ready to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// The package it belongs to.
    pub package: String,
    /// Its own name.
    pub name: String,
    /// The file to run.
    pub executable: PathBuf,
    /// Whether it runs until it is asked to stop, as a service does: its package lists it
    /// under `[package.metadata.examples] until-signal = ["NAME"]`.
    pub until_signal: bool,
}

impl Workspace {
    /// Asks cargo, without resolving dependencies, so nothing is fetched.
    ///
    /// # Errors
    ///
    /// When the current folder is in no workspace.
    pub fn find() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("cargo metadata failed")?;
        Ok(Self { metadata })
    }

    /// The folder of the workspace's manifest.
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// The workspace's own packages.
    pub fn packages(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    /// A cargo command for the peers' bench, a workspace with a lock file and a build folder of its own: what the peers bring
    /// along never meets the house's dependencies.
    pub fn peers(&self, subcommand: &str) -> Command {
        let mut command = self.cargo();
        command
            .args([subcommand, "--manifest-path", "benches/peers/Cargo.toml"])
            .env(
                "CARGO_TARGET_DIR",
                self.metadata.target_directory.join("peers"),
            );
        command
    }

    /// A cargo command in the workspace's folder, without standard input.
    pub fn cargo(&self) -> Command {
        let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.current_dir(self.root()).stdin(Stdio::null());
        // `cargo run` has set these for this program; build scripts that watch them would
        // be run again because of it.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Builds what `selection` selects, with the features that the tests are built with (so
    /// that little is built twice), and returns the examples or binaries among it.
    ///
    /// # Errors
    ///
    /// When the build fails; the compiler has said why on standard error.
    pub fn build(&self, selection: &[&str]) -> Result<Vec<Program>> {
        let mut command = self.cargo();
        command
            .args(["build", "--workspace", "--all-features"])
            .args(["--quiet", "--message-format=json-render-diagnostics"])
            .args(selection)
            .stdout(Stdio::piped());
        let mut build = command.spawn().context("cargo cannot be run")?;
        let output = build.stdout.take().context("cargo has no output")?;
        let mut programs = Vec::new();
        for message in Message::parse_stream(BufReader::new(output)) {
            if let Message::CompilerArtifact(artifact) = message?
                && let Some(executable) = artifact.executable
            {
                let package = self.package(&artifact.package_id)?;
                programs.push(Program {
                    package: package.name.to_string(),
                    until_signal: runs_until_signal(package, &artifact.target.name),
                    name: artifact.target.name,
                    executable: executable.into_std_path_buf(),
                });
            }
        }
        if !build.wait()?.success() {
            bail!("`cargo build --workspace {}` failed", selection.join(" "));
        }
        programs.sort_by(|a, b| (&a.package, &a.name).cmp(&(&b.package, &b.name)));
        Ok(programs)
    }

    /// The standard output of an example of one of the packages; it is built first.
    ///
    /// # Errors
    ///
    /// When there is no such example, it does not compile, fails or prints no UTF-8.
    pub fn output_of_example(
        &self,
        package: &str,
        name: &str,
        arguments: &[&str],
    ) -> Result<String> {
        let program = self
            .build(&["--example", name])?
            .into_iter()
            .find(|program| program.package == package)
            .with_context(|| format!("{package} has no example {name}"))?;
        let output = Command::new(&program.executable)
            .args(arguments)
            .current_dir(self.root())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            bail!("example {name} of {package} failed: {}", output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Whether any package has an example.
    pub fn has_examples(&self) -> bool {
        self.packages().iter().any(|package| {
            package
                .targets
                .iter()
                .any(|target| target.kind.contains(&TargetKind::Example))
        })
    }

    fn package(&self, id: &cargo_metadata::PackageId) -> Result<&Package> {
        self.metadata
            .packages
            .iter()
            .find(|package| package.id == *id)
            .context("cargo built a program of a package that is not in the workspace")
    }
}

fn runs_until_signal(package: &Package, example: &str) -> bool {
    package.metadata["examples"]["until-signal"]
        .as_array()
        .is_some_and(|names| names.iter().any(|name| name == example))
}
