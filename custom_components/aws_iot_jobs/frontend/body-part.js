/* AWS IoT Jobs, Apache-2.0. Contains Lit, BSD-3-Clause, Google LLC. */
import{c as a,n as b}from"./body.js?v=4fde7a34";import"./core.js?v=4fde7a34";export{a as JobLog,b as bodyOf};
