//! What is wanted of a host: by role, or one by one.

/// What shall become of swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Swap {
    /// Off, now and after a reboot: kubeadm's default wish.
    Off,
    /// As it is: edgecore does not mind swap.
    Keep,
    /// On, and pods may use it within limits (kubelet's LimitedSwap).
    Limited,
}

/// What shall become of the memory cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryCgroup {
    /// On, after a reboot where the kernel was started without it.
    On,
    /// As it is.
    Keep,
}
