/* AWS IoT Jobs, Apache-2.0. Contains Lit, BSD-3-Clause, Google LLC. */
import{c as a,n as b}from"./body.js?v=0ba86e5f";import"./core.js?v=0ba86e5f";export{a as JobLog,b as bodyOf};
